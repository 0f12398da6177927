package pgstandin

import (
	"bufio"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// The states of a session, as ReadyForQuery says them.
const (
	stateIdle   = 'I'
	stateWithin = 'T' // a transaction
	stateFailed = 'E' // a transaction that can only be ended
)

// A session is one client that is logged in.
type session struct {
	writer
	server *Server
	in     *bufio.Reader

	state      byte // 0 means idle
	readOnly   bool
	isolation  string
	rolledBack bool // the COMMIT under way ends a failed transaction
	statements map[string]*prepared
	portals    map[string]*portal
}

// prepared is a statement of Parse.
type prepared struct{ plan *plan }

// A portal is a statement of Bind, with what Execute has not sent yet.
type portal struct {
	plan      *plan
	arguments []any
	formats   []bool // of the columns, true for binary
	rows      [][]any
	started   bool
}

func (c *session) ready() {
	if c.state == 0 {
		c.state = stateIdle
	}
	c.send('Z', c.state)
}

// failed tells the client, and ends what the transaction can still do.
func (c *session) failed(err error) {
	var write *writeError
	if errors.As(err, &write) && c.readOnly {
		err = errorf(codeReadOnlyTransaction, "cannot execute %s in a read-only transaction", write.verb)
	}
	c.fail("ERROR", err)
	if c.state == stateWithin {
		c.state = stateFailed
	}
}

// run answers until the client goes.
func (c *session) run() error {
	skip := false // to Sync, after an error of the extended protocol
	for {
		if c.in.Buffered() == 0 {
			if err := c.out.Flush(); err != nil {
				return err
			}
		}
		kind, body, err := readMessage(c.in)
		if err != nil {
			if errors.Is(err, errFrame) {
				c.fail("FATAL", errorf(codeProtocolViolation, "invalid message length"))
				return c.out.Flush()
			}
			return err
		}
		r := &reader{rest: body}
		switch kind {
		case 'X':
			return nil
		case 'S':
			skip = false
			if c.state == stateIdle {
				clear(c.portals) // they end with the statement's own transaction
			}
			c.ready()
			continue
		}
		if skip {
			continue
		}
		switch kind {
		case 'Q':
			if err := c.simple(r); err != nil {
				c.failed(err)
			}
			c.ready()
			continue
		case 'P':
			err = c.parse(r)
		case 'B':
			err = c.bind(r)
		case 'D':
			err = c.describe(r)
		case 'E':
			err = c.execute(r)
		case 'C':
			err = c.close(r)
		case 'H':
			err = c.out.Flush()
		default:
			c.fail("FATAL", unsupported("messages of the kind %q", kind))
			return c.out.Flush()
		}
		if err != nil {
			c.failed(err)
			skip = true
		}
	}
}

// whole reports a message that has too little or too much in it.
func (r *reader) whole() error {
	if r.bad || len(r.rest) > 0 {
		return errorf(codeProtocolViolation, "invalid message format")
	}
	return nil
}

// allowed refuses what a failed transaction cannot do.
func (c *session) allowed(p *plan) error {
	if c.state == stateFailed && p.verb != "COMMIT" && p.verb != "ROLLBACK" && p.verb != "" {
		return errorf(codeFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
	}
	return nil
}

func (c *session) understand(statement string, known []*kind) (*plan, error) {
	p, err := c.server.parse(statement, known)
	if err != nil {
		p = &plan{verb: "unknown"}
	}
	if err := c.allowed(p); err != nil {
		return nil, err
	}
	return p, err
}

func (c *session) simple(r *reader) error {
	statement := r.string()
	if err := r.whole(); err != nil {
		return err
	}
	p, err := c.understand(statement, nil)
	if err != nil {
		return err
	}
	if len(p.parameters) > 0 {
		return errorf(codeUndefinedParameter, "there is no parameter $1")
	}
	if len(p.columns) > 0 {
		c.describeRows(p, nil)
	}
	return c.fetch(&portal{plan: p, formats: make([]bool, len(p.columns))}, 0)
}

func (c *session) parse(r *reader) error {
	name, statement := r.string(), r.string()
	var known []*kind
	for range r.int16() {
		oid := int32(r.int32())
		kinds := []*kind{kindInteger, kindBigint, kindText, kindDate}
		i := slices.IndexFunc(kinds, func(k *kind) bool { return k.oid == oid })
		if oid != 0 && i < 0 {
			return unsupported("parameters of the type with the number %d", oid)
		}
		if oid == 0 {
			known = append(known, nil)
		} else {
			known = append(known, kinds[i])
		}
		if r.bad {
			break
		}
	}
	if err := r.whole(); err != nil {
		return err
	}
	p, err := c.understand(statement, known)
	if err != nil {
		return err
	}
	c.statements[name] = &prepared{p}
	c.send('1')
	return nil
}

func (c *session) bind(r *reader) error {
	name, statement := r.string(), r.string()
	for range r.int16() {
		if r.int16() != 0 {
			return unsupported("parameters in binary form")
		}
	}
	var values [][]byte
	for range r.int16() {
		var value []byte
		if n := r.int32(); n >= 0 {
			value = append([]byte{}, r.bytes(n)...)
		}
		values = append(values, value)
		if r.bad {
			break
		}
	}
	formats := make([]bool, r.int16())
	for i := range formats {
		formats[i] = r.int16() == 1
	}
	if err := r.whole(); err != nil {
		return err
	}
	s := c.statements[statement]
	if s == nil {
		return errorf(codeInvalidStatementName, "prepared statement %q does not exist", statement)
	}
	if err := c.allowed(s.plan); err != nil {
		return err
	}
	arguments, err := s.plan.arguments(values)
	if err != nil {
		return err
	}
	columns := len(s.plan.columns)
	switch {
	case len(formats) == 0:
		formats = make([]bool, columns)
	case len(formats) == 1:
		formats = slices.Repeat(formats, columns)
	case len(formats) != columns:
		return errorf(codeProtocolViolation, "bind message has %d result formats but query has %d columns", len(formats), columns)
	}
	c.portals[name] = &portal{plan: s.plan, arguments: arguments, formats: formats}
	c.send('2')
	return nil
}

func (c *session) portal(name string) (*portal, error) {
	if p := c.portals[name]; p != nil {
		return p, nil
	}
	return nil, errorf(codeInvalidCursorName, "portal %q does not exist", name)
}

func (c *session) describe(r *reader) error {
	what, name := r.byte(), r.string()
	if err := r.whole(); err != nil {
		return err
	}
	if what == 'P' {
		p, err := c.portal(name)
		if err == nil {
			c.describeRows(p.plan, p.formats)
		}
		return err
	}
	s := c.statements[name]
	if s == nil {
		return errorf(codeInvalidStatementName, "prepared statement %q does not exist", name)
	}
	fields := binary.BigEndian.AppendUint16(nil, uint16(len(s.plan.parameters)))
	for _, k := range s.plan.parameters {
		fields = binary.BigEndian.AppendUint32(fields, uint32(k.oid))
	}
	c.send('t', fields)
	c.describeRows(s.plan, nil)
	return nil
}

// describeRows sends RowDescription, or NoData.
func (c *session) describeRows(p *plan, formats []bool) {
	if len(p.columns) == 0 {
		c.send('n')
		return
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(len(p.columns)))
	for i, col := range p.columns {
		b = append(append(b, col.name...), 0)
		b = append(b, 0, 0, 0, 0, 0, 0) // no table and column of it: only some clients look
		b = binary.BigEndian.AppendUint32(b, uint32(col.kind.oid))
		b = binary.BigEndian.AppendUint16(b, uint16(col.kind.size))
		b = append(b, 0xff, 0xff, 0xff, 0xff, 0) // no modifier
		if formats != nil && formats[i] {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	c.send('T', b)
}

func (c *session) execute(r *reader) error {
	name, most := r.string(), r.int32()
	if err := r.whole(); err != nil {
		return err
	}
	p, err := c.portal(name)
	if err != nil {
		return err
	}
	if err := c.allowed(p.plan); err != nil {
		return err
	}
	return c.fetch(p, most)
}

// fetch runs a statement, or goes on with it, and sends up to so many rows; 0
// means all.
func (c *session) fetch(p *portal, most int) error {
	if !p.started {
		p.started = true
		var err error
		if p.rows, err = c.start(p); err != nil {
			return err
		}
	}
	if p.plan.verb == "" {
		c.send('I')
		return nil
	}
	var b []byte
	sent := 0
	for ; len(p.rows) > 0 && (most <= 0 || sent < most); sent++ {
		b = binary.BigEndian.AppendUint16(b[:0], uint16(len(p.plan.columns)))
		for i, col := range p.plan.columns {
			b = col.kind.appendValue(b, p.rows[0][i], p.formats[i])
		}
		c.send('D', b)
		p.rows = p.rows[1:]
	}
	if len(p.rows) > 0 {
		c.send('s')
		return nil
	}
	tag := p.plan.tag(sent)
	if p.plan.verb == "COMMIT" && c.rolledBack {
		tag = "ROLLBACK"
	}
	c.send('C', tag)
	return nil
}

func (c *session) start(p *portal) ([][]any, error) {
	c.rolledBack = false
	switch p.plan.verb {
	case "SELECT":
		return p.plan.run(p.arguments)
	case "SHOW":
		return [][]any{{c.show(p.plan.setting)}}, nil
	case "BEGIN":
		if c.state == stateWithin {
			c.report('N', "WARNING", codeActiveTransaction, "there is already a transaction in progress")
			break
		}
		c.state, c.readOnly, c.isolation = stateWithin, p.plan.readOnly, p.plan.isolation
	case "COMMIT", "ROLLBACK":
		if c.state == stateIdle {
			c.report('N', "WARNING", codeNoActiveTransaction, "there is no transaction in progress")
		}
		c.rolledBack = c.state == stateFailed
		c.state, c.readOnly, c.isolation = stateIdle, false, ""
	}
	return nil, nil
}

func (c *session) show(setting string) string {
	switch setting {
	case "transaction_read_only":
		if c.readOnly {
			return "on"
		}
		return "off"
	case "default_transaction_read_only":
		return "off"
	case "transaction_isolation":
		if c.isolation == "" {
			return "read committed"
		}
		return c.isolation
	}
	for _, s := range settings {
		if strings.EqualFold(s.name, setting) {
			return s.value
		}
	}
	return ""
}

func (c *session) close(r *reader) error {
	what, name := r.byte(), r.string()
	if err := r.whole(); err != nil {
		return err
	}
	if what == 'P' {
		delete(c.portals, name)
	} else {
		delete(c.statements, name)
	}
	c.send('3')
	return nil
}
