package dbsecret

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxMessage bounds what the driver allocates for one message of the server,
// such as a row: it believes any length up to 4 GiB before a byte of it has
// come.
const maxMessage = 256 << 20

// maxPlainError bounds the one thing that has no frame. A server that cannot
// start a process for the connection says why in plain text, behind an E.
const maxPlainError = 8 << 10

// frames follows the frames of the server's messages: a kind, and the length of
// what follows including its own four bytes.
type frames struct {
	head  [5]byte
	have  int // bytes of head
	skip  int // bytes of the message still to come
	plain bool
	login []byte // of an authentication request, until it is complete
	key   []byte // of BackendKeyData
}

// The kinds of messages that are looked into, or waited for.
const (
	kindKey   = 'K' // BackendKeyData: the process, and the secret by which to cancel it
	kindReady = 'Z' // ReadyForQuery
)

// maxKey bounds what is kept of BackendKeyData: a number and, in the protocol's
// later versions, up to 256 bytes.
const maxKey = 4 + 256

// ready reports that the last message came whole, and the server waits.
func (f *frames) ready() bool { return f.head[0] == kindReady && f.have == 0 && f.skip == 0 }

// check looks at what was read, before the driver does.
func (f *frames) check(p []byte) error {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			f.skip -= n
			if f.head[0] == kindAuthentication {
				f.login = append(f.login, p[:n]...)
				if f.skip == 0 {
					if err := checkAuthentication(f.login); err != nil {
						return err
					}
					f.login = f.login[:0]
				}
			}
			if f.head[0] == kindKey && len(f.key)+n <= maxKey {
				f.key = append(f.key, p[:n]...)
			}
			p = p[n:]
			continue
		}
		if f.plain {
			return io.ErrUnexpectedEOF
		}
		n := copy(f.head[f.have:], p)
		p = p[n:]
		if f.have += n; f.have < len(f.head) {
			return nil
		}
		f.have = 0
		switch length := binary.BigEndian.Uint32(f.head[1:]); {
		case f.head[0] == kindAuthentication && length > maxAuthentication:
			return fmt.Errorf("the server asks for the password with a message of %d bytes, and %d are accepted; this is no PostgreSQL server", length, maxAuthentication)
		case length >= 4 && length <= maxMessage:
			f.skip = int(length) - 4
		case f.head[0] == 'E':
			f.skip, f.plain = maxPlainError, true
		case length < 4:
			return fmt.Errorf("the server sent a malformed message: its length is %d", length)
		default:
			return fmt.Errorf("the server announced a message of %d bytes, and %d are accepted; select fewer or shorter columns", length, maxMessage)
		}
	}
	return nil
}
