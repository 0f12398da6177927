package governance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/internal/check"
)

// ErrorDetail is one entry of the list that the service adds to some errors:
// the policies of authentication that were tried, or the exception of a script.
type ErrorDetail struct {
	// AuthPolicy is set when the entry is about authentication.
	AuthPolicy string `json:"auth_policy,omitempty"`
	Code       string `json:"code"`
	Message    string `json:"message"`
}

// ServiceError is a refusal by the service. Branch on Code; Message is for
// people and changes between releases.
type ServiceError struct {
	// Op is what was tried, with the names it was tried with.
	Op string
	// StatusCode is the HTTP status; 0 for what was not sent because the service
	// would have refused it with this code, or could not have told it from
	// something else.
	StatusCode int
	// Code and Message are the service's own; Code is empty when the answer
	// was not one of the service, for instance a gateway's.
	Code, Message string
	Details       []ErrorDetail
	// Remedy says what to do, when that is known for the code.
	Remedy string

	repeated   bool
	retryAfter time.Duration
	// location is where a redirect points; transient says that it will not
	// always.
	location  string
	transient bool
}

// Error gives operation, code, status and message, and the remedy on a line of
// its own.
func (e *ServiceError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "governance: %s: ", check.Printable(e.Op))
	switch {
	case e.StatusCode == 0:
		fmt.Fprintf(&b, "%s (not sent)", e.Code)
	case e.Code != "":
		fmt.Fprintf(&b, "%s (%d)", check.Printable(e.Code), e.StatusCode)
	default:
		fmt.Fprintf(&b, "status %d", e.StatusCode)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", check.Printable(e.Message))
	}
	for _, d := range e.Details {
		fmt.Fprintf(&b, "\n\t%s: %s", check.Printable(strings.TrimSpace(d.AuthPolicy+" "+d.Code)), check.Printable(d.Message))
	}
	if e.Remedy != "" {
		fmt.Fprintf(&b, "\n\tremedy %s", e.Remedy)
	}
	return b.String()
}

// notSent is a refusal that saves the service its own.
func notSent(op, code, message string) *ServiceError {
	return &ServiceError{Op: op, Code: code, Message: message, Remedy: remedies[code]}
}

// Is makes the refusal of an update with an old version an
// [ErrContractModified] and an [ErrDocumentModified]: the service has one code
// for both.
func (e *ServiceError) Is(target error) bool {
	return (target == ErrContractModified || target == ErrDocumentModified) && e.Code == "PreconditionFailed"
}

// mentions reports whether the message or a detail of it contains text.
func (e *ServiceError) mentions(text string) bool {
	if strings.Contains(e.Message, text) {
		return true
	}
	for _, d := range e.Details {
		if strings.Contains(d.Message, text) {
			return true
		}
	}
	return false
}

// Bounds of what of a foreign error text is kept.
const (
	maxErrorText    = 2048
	maxErrorDetails = 8
)

func newServiceError(op string, resp *http.Response, body []byte) *ServiceError {
	e := parseServiceError(resp.StatusCode, body)
	e.Op = op
	e.retryAfter = parseRetryAfter(resp.Header, time.Now())
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.location = resp.Header.Get("Location")
		e.Message = "redirect to " + cut(e.location, 256)
		e.Remedy = "redirects are not followed, but for 307 and 308 to the same path on another node of the service; use the address of the primary node or of a load balancer as the endpoint"
		return e
	}
	e.Remedy = remedy(e)
	return e
}

// parseServiceError reads {"error":{"code","message","details"}} and is content
// with anything else.
func parseServiceError(status int, body []byte) *ServiceError {
	e := &ServiceError{StatusCode: status}
	var doc struct {
		Error struct {
			Code    string        `json:"code"`
			Message string        `json:"message"`
			Details []ErrorDetail `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return e
	}
	e.Code = cut(doc.Error.Code, 128)
	e.Message = cut(doc.Error.Message, maxErrorText)
	for _, d := range doc.Error.Details[:min(len(doc.Error.Details), maxErrorDetails)] {
		e.Details = append(e.Details, ErrorDetail{AuthPolicy: cut(d.AuthPolicy, 128), Code: cut(d.Code, 128), Message: cut(d.Message, maxErrorText)})
	}
	return e
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

// hasCode reports whether err is a *ServiceError with one of the codes.
func hasCode(err error, codes ...string) bool {
	var e *ServiceError
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// wasRepeated reports whether an attempt before the refused one may have been
// executed, so that the refusal may be the echo of an own success.
func wasRepeated(err error) bool {
	var e *ServiceError
	return errors.As(err, &e) && e.repeated
}
