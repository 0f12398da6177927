package ccf

import (
	"fmt"
	"net/http"
	"strconv"
)

// pageSize is how many transactions a page of a historical range spans.
const pageSize = 2000

// page is one page of a historical range, both ends included.
type page struct{ from, to, end uint64 }

// next is where the following page starts, and whether there is one.
func (p page) next() (uint64, bool) { return p.to + 1, p.to < p.end }

func (c *call) seqnoParameter(name string) (value uint64, given bool, err error) {
	s, _ := c.query(name)
	if s == "" {
		return 0, false, nil
	}
	value, err = strconv.ParseUint(s, 10, 64)
	if err != nil || value == 0 || value > 1<<53 {
		return 0, false, throw("Error: %s must be a positive integer", name)
	}
	return value, true, nil
}

// rangeGiven tells whether the query asks for a historical range at all.
func (c *call) rangeGiven() bool {
	from, _ := c.query("from_seqno")
	to, _ := c.query("to_seqno")
	return from != "" || to != ""
}

// historicalPage reads the range of the query. Its end is, unless given, the
// last write of the key. ready is false, and the answer 202, the first time
// that a page is asked for.
func (c *call) historicalPage(what string, lastWrite uint64) (p page, ready bool, err error) {
	from, given, err := c.seqnoParameter("from_seqno")
	if err != nil {
		return p, false, err
	}
	if !given {
		from = 1
	}
	end, given, err := c.seqnoParameter("to_seqno")
	if err != nil {
		return p, false, err
	}
	if !given {
		end = lastWrite
	}
	// What the caller saw committed bounds the range, so that one directly
	// after a write fails; a range without end is never too early.
	bound := c.committed
	if end == 0 {
		bound = c.store.committed
		end = bound
	}
	size, given, err := c.seqnoParameter("max_seqno_per_page")
	if err != nil {
		return p, false, err
	}
	if !given {
		size = pageSize
	}
	if end < from {
		return p, false, throw("Error: to_seqno must be >= from_seqno")
	}
	if end > bound {
		return p, false, throw("Error: End of range must be committed")
	}
	// from and size are at most 2^53, so the sum fits.
	p = page{from, min(end, from+size), end}
	handle := fmt.Sprintf("%s %d-%d", what, p.from, p.to)
	if !c.loaded[handle] {
		c.loaded[handle] = true
		c.status = http.StatusAccepted
		c.header.Set("retry-after", "1")
		return p, false, nil
	}
	return p, true, nil
}
