package dbsecret

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func frame(kind byte, length uint32, body int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, length), make([]byte, body)...)
}

// scram is SCRAM's first message of a server.
func scram(text string) []byte {
	b := binary.BigEndian.AppendUint32(frame('R', uint32(8+len(text)), 0), authSASLContinue)
	return append(b, text...)
}

func TestFrames(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream []byte
		ok     bool
	}{
		{"nothing", nil, true},
		{"empty message", frame('Z', 4, 0), true},
		{"two messages", append(frame('D', 10, 6), frame('Z', 5, 1)...), true},
		{"part of a message", frame('D', 100, 3), true},
		{"longest", frame('D', maxMessage, 0), true},
		{"too long", frame('D', maxMessage+1, 0), false},
		{"all bits", frame('D', 1<<32-1, 0), false},
		{"too short", frame('D', 3, 0), false},
		{"second too short", append(frame('D', 10, 6), frame('Z', 0, 0)...), false},
		{"plain error", []byte("Ecould not fork new process for connection\n\x00"), true},
		{"longest plain error", frame('E', 1<<31, maxPlainError), true},
		{"an authentication request", append(frame('R', 8, 3), 3), true},
		{"the longest", frame('R', maxAuthentication, maxAuthentication-4), true},
		{"a longer one", frame('R', maxAuthentication+1, 0), false},
		{"default iterations", scram("r=n,s=c2FsdA==,i=4096"), true},
		{"most iterations", scram("r=n,s=c2FsdA==,i=1000000"), true},
		{"one more", scram("r=n,s=c2FsdA==,i=1000001"), false},
		{"all bits of iterations", scram("r=n,s=c2FsdA==,i=9223372036854775807"), false},
		{"more than all bits", scram("r=n,s=c2FsdA==,i=99999999999999999999999"), false},
		{"no iterations", scram("r=n,s=c2FsdA==,i=0"), false},
		{"empty iterations", scram("r=n,s=c2FsdA==,i="), false},
		{"negative iterations", scram("r=n,s=c2FsdA==,i=-4096"), false},
		{"signed iterations", scram("r=n,s=c2FsdA==,i=+4096"), false},
		{"iterations in words", scram("r=n,s=c2FsdA==,i=many"), false},
		{"iterations first", scram("i=4096,r=n,s=c2FsdA=="), false},
		{"iterations alone", scram("i=4096"), false},
		{"SCRAM without text", scram(""), false},
		{"a good one and a bad one", append(scram("r=n,s=c2FsdA==,i=4096"), scram("r=n,s=c2FsdA==,i=1000001")...), false},
		{"endless plain error", frame('E', 1<<31, maxPlainError+1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1, 5, len(c.stream) + 1} {
				if got := verdict(c.stream, size); got != c.ok {
					t.Errorf("in pieces of %d, accepted: %t, want %t", size, got, c.ok)
				}
			}
		})
	}
}

// verdict checks a stream in pieces.
func verdict(stream []byte, size int) bool {
	var f frames
	for len(stream) > 0 {
		n := min(size, len(stream))
		if f.check(stream[:n]) != nil {
			return false
		}
		stream = stream[n:]
	}
	return true
}

// FuzzFrames holds that how the stream was cut by the network changes nothing.
func FuzzFrames(f *testing.F) {
	f.Add(append(frame('D', 10, 6), frame('Z', 5, 1)...), 1)
	f.Add(frame('D', 3, 0), 4)
	f.Add([]byte("Ecould not fork"), 2)
	f.Add(append(scram("r=n,s=c2FsdA==,i=4096"), scram("r=n,s=c2FsdA==,i=1000001")...), 3)
	f.Add(bytes.Repeat(frame('T', 4, 0), 3), 7)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if size < 1 {
			return
		}
		if verdict(stream, size) != verdict(stream, len(stream)+1) {
			t.Errorf("another verdict in pieces of %d", size)
		}
	})
}
