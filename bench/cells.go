package main

import (
	"fmt"
	"strings"
)

// The hosts of the comparison; they differ in their certificate.
const (
	ecdsaHost = "bench.test"
	rsaHost   = "rsa.test"
)

// Sizes of bodies.
const (
	kib16 = 16 << 10
	mib   = 1 << 20
	gib   = 1 << 30
)

// cell is one kind of traffic.
type cell struct {
	name  string
	tool  tool
	conns int // connections, or streams over HTTP/2
	down  int // octets of the answer's body, 2 if 0
	up    int // octets of the request's body
	tls   bool
	// warm is for how many seconds connections are opened and used before the
	// clock starts: a thousand handshakes do not fit a short measurement.
	warm int
	// fresh makes a connection per request. wrk resumes the TLS session of the
	// connection it closed before.
	fresh bool
	host  string // ecdsaHost if empty
	path  string // of down if empty
	// fields are further ones of the request.
	fields []string
	// grpc is a gRPC call of 64 octets, to a backend that speaks HTTP/2.
	grpc bool
}

// tool is what makes the load.
type tool string

// The tools: other people's, and kinds of bench/load.
const (
	wrk        tool = "wrk"
	h2load     tool = "h2load"
	h1load     tool = "h2load --h1" // can open connections before the clock starts
	handshakes tool = "handshakes"
	websockets tool = "websockets"
	download   tool = "download"
	upload     tool = "upload"
	streams    tool = "streams"
)

// many is the usual number of connections.
const many = 64

// warmUp is in what time every proxy opens a thousand connections over TLS.
const warmUp = 5

func cells() []cell {
	var list []cell
	for _, conns := range []int{1, many, 1000} {
		of := fmt.Sprintf(", %s", plural(conns, "connection"))
		list = append(list,
			cell{name: "HTTP/1.1 plain, small" + of, tool: wrk, conns: conns},
			cell{name: "HTTP/1.1 TLS, small" + of, tool: wrk, conns: conns, tls: true},
			cell{name: "HTTP/2 TLS, small, " + plural(conns, "stream"), tool: h2load, conns: conns, tls: true},
		)
	}
	for i := range list {
		if list[i].tls && list[i].conns == 1000 {
			list[i].warm = warmUp
		}
		if list[i].warm > 0 && list[i].tool == wrk {
			list[i].tool = h1load
		}
	}
	list = append(list,
		cell{name: "TLS handshakes, ECDSA P-256", tool: handshakes, conns: many, tls: true},
		cell{name: "TLS handshakes, RSA 2048", tool: handshakes, conns: many, tls: true, host: rsaHost},
		cell{name: "TLS handshakes, resumed", tool: wrk, conns: many, tls: true, fresh: true},
		cell{name: "gRPC unary, 64 octets", tool: h2load, conns: many, tls: true, path: "/bench.Bench/Call", grpc: true},
		cell{name: "gRPC streams, 64 octets each way", tool: streams, conns: many, tls: true, grpc: true},
		cell{name: "WebSocket echo, 64 octets", tool: websockets, conns: many},
		cell{name: "HTTP/2 TLS, 16 KiB down", tool: h2load, conns: many, tls: true, down: kib16},
	)
	return append(list, bodies()...)
}

// bodies are the longer ones, plain and over TLS.
func bodies() []cell {
	var list []cell
	for _, tls := range []bool{false, true} {
		how := " plain"
		if tls {
			how = " TLS"
		}
		list = append(list,
			cell{name: "16 KiB down" + how, tool: wrk, conns: many, tls: tls, down: kib16},
			cell{name: "16 KiB up" + how, tool: wrk, conns: many, tls: tls, up: kib16},
			cell{name: "1 MiB down" + how, tool: wrk, conns: many, tls: tls, down: mib},
			cell{name: "1 MiB up" + how, tool: wrk, conns: many, tls: tls, up: mib},
			cell{name: "1 GiB down" + how, tool: download, conns: 1, tls: tls, down: gib},
			cell{name: "1 GiB up" + how, tool: upload, conns: 1, tls: tls, up: gib},
		)
	}
	return list
}

func (c cell) authority() string {
	if c.host == "" {
		return ecdsaHost
	}
	return c.host
}

func (c cell) target() string {
	switch {
	case c.path != "":
		return c.path
	case c.down > 0:
		return fmt.Sprintf("/%d", c.down)
	}
	return "/2"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	digits := fmt.Sprint(n)
	if n >= 1000 {
		digits = digits[:len(digits)-3] + "," + digits[len(digits)-3:]
	}
	return digits + " " + strings.TrimSuffix(what, "s") + "s"
}
