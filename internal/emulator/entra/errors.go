package entra

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// refusal is an error answer of the OAuth protocol with the number that Entra
// tells its cases apart by.
type refusal struct {
	status  int
	oauth   string // RFC 6749, section 5.2
	number  int
	message string
}

func (e *refusal) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.number, e.message) }

func refuse(status int, oauth string, number int, format string, args ...any) error {
	return &refusal{status, oauth, number, fmt.Sprintf(format, args...)}
}

// invalidClient is a failed authentication of the client.
func invalidClient(number int, format string, args ...any) error {
	return refuse(http.StatusUnauthorized, "invalid_client", number, format, args...)
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	var e *refusal
	if !errors.As(err, &e) {
		e = &refusal{http.StatusInternalServerError, "server_error", 90033, err.Error()}
	}
	trace, correlation, at := rand.Text(), rand.Text(), s.now().UTC().Format("2006-01-02 15:04:05Z")
	wire.JSON(w, e.status, map[string]any{
		"error":             e.oauth,
		"error_description": fmt.Sprintf("%v Trace ID: %s Correlation ID: %s Timestamp: %s", e, trace, correlation, at),
		"error_codes":       []int{e.number},
		"timestamp":         at,
		"trace_id":          trace,
		"correlation_id":    correlation,
		"error_uri":         fmt.Sprintf("https://%s/error?code=%d", s.host, e.number),
	})
}
