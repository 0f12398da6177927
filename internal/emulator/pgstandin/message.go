package pgstandin

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// maxMessage bounds a client's message. Statements are short.
const maxMessage = 1 << 20

// maxStartup is PostgreSQL's bound of the first message.
const maxStartup = 10000

var errFrame = errors.New("the length of a message cannot be right")

// readStartup reads a message without a kind: the first of a connection.
func readStartup(r io.Reader) (code uint32, body []byte, err error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < 8 || n > maxStartup {
		return 0, nil, errFrame
	}
	body = make([]byte, n-8)
	_, err = io.ReadFull(r, body)
	return binary.BigEndian.Uint32(head[4:]), body, err
}

// readMessage reads a message with its kind.
func readMessage(r io.Reader) (kind byte, body []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > maxMessage {
		return 0, nil, errFrame
	}
	body = make([]byte, n-4)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

// reader takes a message's fields. After the first that is not there all are
// empty and bad is set.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) int16() int {
	if b := r.bytes(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int {
	if b := r.bytes(4); b != nil {
		return int(int32(binary.BigEndian.Uint32(b)))
	}
	return 0
}

func (r *reader) string() string {
	n := bytes.IndexByte(r.rest, 0)
	if n < 0 {
		r.bytes(-1)
		return ""
	}
	return string(r.bytes(n + 1)[:n])
}

// writer collects messages until flush. Its error is that of flush.
type writer struct {
	out *bufio.Writer
	buf []byte
}

// send writes a message of fields: an int32, int16 or byte as such, a string
// with the NUL behind it, and bytes as they are.
func (w *writer) send(kind byte, fields ...any) {
	b := append(w.buf[:0], kind, 0, 0, 0, 0)
	for _, f := range fields {
		switch v := f.(type) {
		case int32:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case int16:
			b = binary.BigEndian.AppendUint16(b, uint16(v))
		case byte:
			b = append(b, v)
		case string:
			b = append(append(b, v...), 0)
		case []byte:
			b = append(b, v...)
		}
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-1))
	w.buf = b
	_, _ = w.out.Write(b) // bufio keeps the error for Flush
}

// report sends an error or, with kind 'N', a notice.
func (w *writer) report(kind byte, severity, code, message string) {
	w.send(kind, byte('S'), severity, byte('V'), severity, byte('C'), code, byte('M'), message, byte(0))
}

func (w *writer) fail(severity string, err error) {
	var e *sqlError
	if !errors.As(err, &e) {
		e = &sqlError{"XX000", err.Error()}
	}
	w.report('E', severity, e.code, e.message)
}
