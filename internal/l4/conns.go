package l4

// connList is a list of connections that link themselves, so that joining and
// leaving takes no memory and no search.
type connList struct{ first, last *conn }

func (t *connList) pushFront(c *conn) {
	c.prev, c.next = nil, t.first
	if t.first != nil {
		t.first.prev = c
	} else {
		t.last = c
	}
	t.first = c
}

func (t *connList) remove(c *conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		t.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		t.last = c.prev
	}
	c.prev, c.next = nil, nil
}
