package http2

import "golang.org/x/net/http2"

type peer struct{}

func (p *peer) allow(uint32) {}

func (c *Conn) dropDone(*Stream) {}

func (c *Conn) onResponse() error { return nil }

func (c *Conn) handleClient(http2.Frame) (bool, error) { return false, nil }
