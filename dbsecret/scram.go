package dbsecret

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// kindAuthentication is the kind of the messages by which a server asks for the
// password, or says that it needs no more of it.
const kindAuthentication = 'R'

// maxAuthentication bounds these messages. The longest that a PostgreSQL sends
// is SCRAM's first, with about a hundred bytes.
const maxAuthentication = 8 << 10

// maxIterations bounds what SCRAM makes the client compute: the driver runs as
// many rounds as the server says, a million of them in about a second, and no
// context ends it. PostgreSQL's default is 4096.
const maxIterations = 1_000_000

// authSASLContinue is the request that carries SCRAM's salt and its number of
// iterations (RFC 5802 section 7, server-first-message).
const authSASLContinue = 11

// checkAuthentication looks at an authentication request before the driver acts
// on it. Its errors quote nothing: the server chose the text.
func checkAuthentication(request []byte) error {
	if len(request) < 4 || binary.BigEndian.Uint32(request) != authSASLContinue {
		return nil // short ones make the driver panic, see guard.go
	}
	fields := bytes.Split(request[4:], []byte(","))
	count, found := bytes.CutPrefix(fields[len(fields)-1], []byte("i="))
	if len(fields) != 3 || !found {
		return fmt.Errorf("the server sent a malformed message: SCRAM's first has no iteration count behind nonce and salt")
	}
	n, err := strconv.ParseUint(string(count), 10, 64) // takes no sign
	switch {
	case err != nil && !isDigits(count), n == 0:
		return fmt.Errorf("the server sent a malformed message: SCRAM's iteration count is no positive number")
	case err != nil || n > maxIterations:
		return fmt.Errorf("the server asks for more SCRAM iterations than the %d that are accepted; set the password again under a lower scram_iterations", maxIterations)
	}
	return nil
}

func isDigits(b []byte) bool {
	return len(b) > 0 && bytes.IndexFunc(b, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
