package governance

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// apiVersion is the version of CCF's governance interface.
const apiVersion = "2024-07-01"

const apiQuery = "api-version=" + apiVersion

// maxID bounds ids; the service has no limit of its own, URLs have.
const maxID = 256

// checkID accepts what a path and a query carry as it stands. The service
// never decodes percent signs, so an id that would need encoding names
// something else on the other side.
func checkID(what, id string) error {
	switch {
	case id == "":
		return &idError{what + " is empty"}
	case len(id) > maxID:
		return &idError{fmt.Sprintf("%s has %d bytes, more than %d", what, len(id), maxID)}
	case id == "." || id == "..":
		return &idError{fmt.Sprintf("%s %q cannot stand in a path", what, id)}
	}
	if i := strings.IndexFunc(id, func(r rune) bool { return !idRune(r) }); i >= 0 {
		return &idError{fmt.Sprintf("%s %q has a character that a path cannot carry; use A-Z a-z 0-9 . _ ~ : -", what, id)}
	}
	return nil
}

// idError is an id that cannot be asked about.
type idError struct{ text string }

func (e *idError) Error() string { return "governance: " + e.text }

func idRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._~:-", r)
}

// checkDigest accepts 64 lower case hex digits: ids of members and proposals.
func checkDigest(what, id string) error {
	if isDigest(id) {
		return nil
	}
	return fmt.Errorf("governance: %s %q must have 64 lower case hex digits", what, cut(id, 80))
}

func isDigest(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == 32 && strings.ToLower(id) == id
}

// short is an id as it stands in a line of text.
func short(id string) string {
	if len(id) > 12 {
		return id[:12] + "..."
	}
	return id
}
