package main

import (
	"bytes"
	"io"
	"log"
	"net"
	"time"

	"daemun/internal/http1"
	"daemun/internal/http2"
)

// calls answers every gRPC call with the message that it brought, and each
// message of a stream with itself, over HTTP/2 with prior knowledge.
type calls struct{}

func (calls) Busy(bool) {}

const grpcHead = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n\r\n"

func (calls) ServeStream(s *http2.Stream) {
	if bytes.HasPrefix(s.Head(), []byte("POST /bench.Bench/Stream ")) {
		echo(s)
		return
	}
	body, err := io.ReadAll(s)
	if err != nil {
		return
	}
	if err := s.WriteHead([]byte(grpcHead), body, false); err != nil {
		return
	}
	_ = s.WriteTrailers([]byte("grpc-status: 0\r\n\r\n"))
}

// echo returns what comes until the client ends the stream.
func echo(s *http2.Stream) {
	if err := s.WriteHead([]byte(grpcHead), nil, false); err != nil {
		return
	}
	buf := make([]byte, 1<<10)
	for {
		n, err := s.Read(buf)
		if err != nil {
			_ = s.WriteTrailers([]byte("grpc-status: 0\r\n\r\n"))
			return
		}
		if _, err := s.Write(buf[:n]); err != nil {
			return
		}
	}
}

// serveCalls accepts HTTP/2 connections. The scheme has to be the one that is
// served: some proxies pass on that of the client.
func serveCalls(addr string, https bool) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	limits := http2.DefaultLimits()
	limits.Total, limits.Streams, limits.Controls = 1<<30, 1000, 1<<30
	limits.Resets, limits.ResetsAfter = 1<<30, 1<<30 // the load ends all its streams so
	config := http2.Config{Limits: limits, Handler: calls{}, Secure: https, Idle: time.Hour, HeadTime: time.Hour, WriteIdle: time.Minute}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer c.Close()
			source := &http1.Reader{First: 16 << 10}
			source.Reset(c)
			http2.NewServer(c, source, config).Serve()
		}()
	}
}
