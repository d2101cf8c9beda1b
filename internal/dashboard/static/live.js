// What pages do besides being there: follow changes, search while typing, show the values of plots. Everything works without it.
"use strict";
(() => {
  const live = document.getElementById("live");
  const nav = document.getElementById("nav");
  const pulse = document.getElementById("pulse");
  let source = null;

  function say(state, text) {
    if (pulse.dataset.state === state) return;
    pulse.dataset.state = state;
    pulse.textContent = text;
  }

  // morph makes an element like another one and keeps what is the same, so that focus, selections and open details stay.
  function morph(from, to) {
    for (const a of [...from.attributes]) {
      if (!to.hasAttribute(a.name) && !(a.name === "open" && from.tagName === "DETAILS")) from.removeAttribute(a.name);
    }
    for (const a of to.attributes) {
      if (from.getAttribute(a.name) !== a.value) from.setAttribute(a.name, a.value);
    }
    const want = [...to.childNodes];
    for (let i = 0; i < want.length; i++) {
      const have = from.childNodes[i];
      if (!have) from.append(want[i]);
      else if (have.nodeType !== want[i].nodeType || have.nodeName !== want[i].nodeName) have.replaceWith(want[i]);
      else if (have.nodeType === Node.TEXT_NODE) { if (have.data !== want[i].data) have.data = want[i].data; }
      else if (have.nodeType === Node.ELEMENT_NODE) morph(have, want[i]);
    }
    while (from.childNodes.length > want.length) from.lastChild.remove();
  }

  function replace(element, html) {
    const tails = [...element.querySelectorAll("[data-tail]")].map(atEnd);
    const to = element.cloneNode(false);
    to.innerHTML = html;
    morph(element, to);
    element.querySelectorAll("[data-tail]").forEach((e, i) => { if (tails[i] !== false) e.scrollTop = e.scrollHeight; });
    redrawTip();
  }
  const atEnd = (e) => e.scrollTop + e.clientHeight >= e.scrollHeight - 8;

  function follow() {
    stop();
    if (!document.body.hasAttribute("data-follow") || document.hidden) return;
    source = new EventSource(location.pathname + location.search);
    source.addEventListener("open", () => say("on", "Live"));
    source.addEventListener("live", (e) => { say("on", "Live"); replace(live, e.data); });
    source.addEventListener("nav", (e) => replace(nav, e.data));
    source.addEventListener("error", lost);
  }
  function stop() {
    if (source) source.close();
    source = null;
  }
  function lost() {
    const since = new Date().toLocaleTimeString();
    if (source && source.readyState === EventSource.CLOSED) {
      say("lost", "Not live since " + since);
      setTimeout(() => { if (source && source.readyState === EventSource.CLOSED) follow(); }, 5000);
    } else say("lost", "Not connected since " + since);
  }

  // Search while typing: the same page, made by the server.
  const search = document.querySelector("form.search");
  let typed = 0, asked = 0;
  async function find() {
    const q = new URLSearchParams(new FormData(search));
    for (const [k, v] of [...q]) if (v === "") q.delete(k);
    const url = search.getAttribute("action") + (q.size ? "?" + q : "");
    const mine = ++asked;
    let text;
    try { text = await (await fetch(url)).text(); } catch { return; }
    if (mine !== asked) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    history.replaceState(null, "", url);
    replace(live, page.getElementById("live").innerHTML);
    follow();
  }
  if (search) search.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(find, 180); });

  document.addEventListener("keydown", (e) => {
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select")) return;
    const field = document.querySelector("main input:not([type=hidden])");
    if (!field) return;
    e.preventDefault();
    field.focus();
    field.select();
  });

  // The values of a plot under the pointer.
  let pointed = null;
  function redrawTip() {
    for (const e of document.querySelectorAll(".plot .tip, .plot .cross")) e.remove();
    if (!pointed) return;
    const plot = document.getElementById(pointed.id);
    const box = plot && plot.querySelector(".box");
    if (!box || !plot.dataset.points) return;
    const names = plot.dataset.names.split("|"), points = plot.dataset.points.split(";").map((p) => p.split("|"));
    const at = (1 - pointed.x) * 900;
    let best = points[0];
    for (const p of points) if (Math.abs(p[0] - at) < Math.abs(best[0] - at)) best = p;
    if (Math.abs(best[0] - at) > 20) return;
    const x = 1 - best[0] / 900, tip = document.createElement("div"), cross = document.createElement("div");
    tip.className = "tip";
    cross.className = "cross";
    const ago = Math.floor(best[0] / 60) + ":" + String(best[0] % 60).padStart(2, "0") + " min ago";
    for (const text of [ago, ...names.map((n, i) => n + " " + best[i + 1])]) {
      const line = document.createElement("span");
      line.textContent = text;
      tip.append(line);
    }
    cross.style.left = tip.style.left = x * 100 + "%";
    tip.style.transform = x > 0.5 ? "translateX(calc(-100% - 8px))" : "translateX(8px)";
    box.append(cross, tip);
  }
  document.addEventListener("pointermove", (e) => {
    const box = e.target.closest && e.target.closest(".plot .box");
    if (!box) { if (pointed) { pointed = null; redrawTip(); } return; }
    const r = box.getBoundingClientRect();
    pointed = { id: box.closest(".plot").id, x: (e.clientX - r.left) / r.width };
    redrawTip();
  });

  // Requests as they pass.
  const form = document.getElementById("tap-form"), button = document.getElementById("tap-live");
  const maxRows = 200;
  let tap = null;
  function watch() {
    const rows = document.getElementById("samples"), note = document.getElementById("tap-note");
    const q = new URLSearchParams(new FormData(form));
    for (const [k, v] of [...q]) if (v === "") q.delete(k);
    rows.replaceChildren();
    document.getElementById("tap-list").hidden = false;
    for (const e of live.querySelectorAll(".empty, .headline")) e.remove();
    let seen = 0, skipped = 0;
    const tell = () => { note.textContent = "Watching: " + seen + (seen === 1 ? " request" : " requests") + " seen" + (skipped ? ", " + skipped + " more than are shown" : "") + "."; };
    tap = new EventSource("/tap/live?" + q);
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Stop";
    tell();
    tap.addEventListener("open", () => say("on", "Live"));
    tap.addEventListener("sample", (e) => {
      const t = document.createElement("template");
      t.innerHTML = e.data;
      const row = t.content.firstElementChild;
      row.classList.add("new");
      rows.prepend(row);
      if (rows.children.length > maxRows) rows.lastElementChild.remove();
      seen++;
      tell();
    });
    tap.addEventListener("skipped", (e) => { skipped = Number(e.data); tell(); });
    tap.addEventListener("error", () => {
      if (tap.readyState !== EventSource.CLOSED) { note.textContent = "Not connected; trying again."; return; }
      unwatch();
      note.textContent = "Requests cannot be watched now: the filter is wrong, or too many watch already. Take a sample to see which.";
    });
  }
  function unwatch() {
    if (tap) tap.close();
    tap = null;
    button.setAttribute("aria-pressed", "false");
    button.textContent = "Watch live";
    say("off", "");
  }
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => (tap ? unwatch() : watch()));
  }

  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else follow(); });
  for (const e of document.querySelectorAll("[data-tail]")) e.scrollTop = e.scrollHeight;
  follow();
})();
