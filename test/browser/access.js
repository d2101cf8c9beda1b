// Returns what is wrong with a page for people who do not see it, or not well.
(() => {
  const wrong = [];
  const visible = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && !e.closest(".vh") && e.getClientRects().length > 0;
  const name = (e) => (e.getAttribute("aria-label") || e.textContent || "").trim();
  const where = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.className && e.className.baseVal === undefined ? "." + e.className : "");

  if (!document.documentElement.lang) wrong.push("no language");
  if (!document.title) wrong.push("no title");
  for (const [what, n] of [["main", 1], ["h1", 1], ["header", 1]]) {
    const have = document.querySelectorAll(what).length;
    if (have !== n) wrong.push(have + " of " + what);
  }
  let level = 0;
  for (const h of document.querySelectorAll("h1, h2, h3, h4")) {
    const n = Number(h.tagName[1]);
    if (n > level + 1) wrong.push("heading " + name(h) + " skips a level");
    if (!name(h)) wrong.push("empty heading");
    level = n;
  }
  const ids = new Set();
  for (const e of document.querySelectorAll("[id]")) {
    if (ids.has(e.id)) wrong.push("id " + e.id + " twice");
    ids.add(e.id);
  }
  for (const e of document.querySelectorAll("[aria-labelledby]")) {
    if (!ids.has(e.getAttribute("aria-labelledby"))) wrong.push(where(e) + " is labelled by nothing");
  }
  for (const e of document.querySelectorAll("nav")) if (!name(e) || !e.getAttribute("aria-label")) wrong.push("nav without a label");
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) if (!e.labels.length) wrong.push(where(e) + " has no label");
  for (const e of document.querySelectorAll("a, button, summary")) if (!name(e)) wrong.push(where(e) + " has no name");
  for (const e of document.querySelectorAll("svg")) {
    if (e.getAttribute("aria-hidden") !== "true" && !(e.getAttribute("role") === "img" && e.getAttribute("aria-label"))) wrong.push("svg without a name");
  }
  for (const e of document.querySelectorAll("table")) {
    if (!e.caption) wrong.push("table without a caption");
    for (const th of e.querySelectorAll("th")) if (!th.scope) wrong.push("th " + name(th) + " without scope");
  }
  for (const e of document.querySelectorAll("[tabindex]")) if (e.tabIndex > 0) wrong.push(where(e) + " has its own tab order");
  const width = WIDTH; // not that of the window, which grows with what does not fit
  if (document.documentElement.scrollWidth > width) {
    const wide = [...document.querySelectorAll("body *")].filter((e) => visible(e) && e.getBoundingClientRect().right > width + 1 && !e.closest("pre, .plot"));
    wrong.push("wider than the window: " + document.documentElement.scrollWidth + " " + wide.slice(0, 3).map(where).join(", "));
  }

  // Contrast: WCAG 2, level AA.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const d = canvas.getImageData(0, 0, 1, 1).data;
    return [d[0], d[1], d[2], d[3] / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const ground = (e) => {
    const layers = [];
    for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  for (let n = walker.nextNode(); n; n = walker.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || seen.has(e) || !visible(e) || e.closest("script, style, option, .skip")) continue;
    seen.add(e);
    const style = getComputedStyle(e), below = ground(e), top = over(parse(style.color), below);
    const [a, b] = [light(top), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) wrong.push("contrast " + ratio.toFixed(2) + " of " + where(e) + " “" + n.data.trim().slice(0, 30) + "”");
  }
  return wrong;
})()
