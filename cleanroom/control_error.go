package cleanroom

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cleanroom-go/sdk/internal/check"
)

// ControlCode says why a room refused a call.
type ControlCode string

// The refusals of a room. The first three are the room's own words, and come
// with status 403.
const (
	// ControlNoConsent: a member has not consented to what was asked for.
	ControlNoConsent ControlCode = "ConsentCheckFailed"
	// ControlNotAllowed and ControlBodyNotAllowed: the room's own policy does
	// not have such a call. It never admits a body.
	ControlNotAllowed     ControlCode = "RequestNotAllowed"
	ControlBodyNotAllowed ControlCode = "RequestBodyNotAllowed"
	// ControlNotFound: the room has no such application, or, for its status, has
	// not started it yet. Status 404.
	ControlNotFound ControlCode = "ApplicationNotFound"
	// ControlFailed: the launcher tried and failed. Status 500.
	ControlFailed ControlCode = "LauncherFailed"
	// ControlUnavailable: the proxy of the room answers, but the launcher behind
	// it does not listen. Status 502, 503 or 504.
	ControlUnavailable ControlCode = "LauncherUnavailable"
	// ControlUnexpected is anything else.
	ControlUnexpected ControlCode = "UnexpectedAnswer"
)

// ControlError is a refusal of the room.
type ControlError struct {
	// Op is the call, with the application's name.
	Op         string
	StatusCode int
	Code       ControlCode
	// Message and Details are the room's words, shortened; Details, of a
	// launcher that failed, names the cause.
	Message, Details string
}

// Error has the remedy.
func (e *ControlError) Error() string {
	text := fmt.Sprintf("cleanroom: control: %s: refused with status %d, %s", e.Op, e.StatusCode, e.Code)
	for _, part := range []string{e.Message, e.Details} {
		if part != "" {
			text += ": " + check.Printable(part)
		}
	}
	return text + e.remedy()
}

func (e *ControlError) remedy() string {
	switch e.Code {
	case ControlNoConsent:
		return "; the members consent with EnableExecution, or by voting for ProposeLogging or ProposeTelemetry, of governance.ContractClient"
	case ControlNotFound:
		return "; start it with Control.Start, or compare the name with the contract's document"
	case ControlNotAllowed, ControlBodyNotAllowed:
		return "; this room is of another release, or something on the way changes requests"
	case ControlFailed:
		return "; the audit events and ExportTelemetry say more"
	case ControlUnavailable:
		return "; the launcher is starting: use Control.WaitReady"
	}
	return ""
}

// newControlError reads the three forms of refusals: code and message, detail,
// and message, error and details.
func newControlError(op string, status int, body []byte) *ControlError {
	var doc struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"` // a text, or a list of mistakes
		Error   json.RawMessage `json:"error"`
		Details json.RawMessage `json:"details"`
	}
	e := &ControlError{Op: op, StatusCode: status, Code: ControlUnexpected}
	if json.Unmarshal(body, &doc) != nil {
		e.Message = shorten(string(body), 300)
	} else {
		e.Message = shorten(doc.Message, 300)
		if e.Message == "" {
			e.Message = textOf(doc.Detail)
		}
		if e.Details = textOf(doc.Error); e.Details == "" {
			e.Details = textOf(doc.Details)
		} else if d := textOf(doc.Details); d != "" {
			e.Details += ": " + d
		}
	}
	switch code := ControlCode(doc.Code); {
	case status == http.StatusForbidden && (code == ControlNoConsent || code == ControlNotAllowed || code == ControlBodyNotAllowed):
		e.Code = code
	case status == http.StatusNotFound && doc.Detail != nil:
		e.Code = ControlNotFound
	case status == http.StatusInternalServerError:
		e.Code = ControlFailed
	case status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout:
		e.Code = ControlUnavailable
	}
	return e
}

// textOf is a JSON text, or the JSON of anything else.
func textOf(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	return shorten(text, 300)
}

// ExitError is an application that ended with another code than 0.
type ExitError struct {
	Application string
	// Code is the application's own. The launcher of the second generation adds
	// its own failures: 233 a sidecar, 234 the registry, 235 the encrypted
	// image, 237 a mount.
	Code int
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("cleanroom: application %s ended with exit code %d%s; its log says why: have it exported, if the members consented to logging, and download the sink %s",
		shown(e.Application), e.Code, exitMeaning(e.Code), ApplicationTelemetry)
}

// exitMeaning knows what is not the program's own invention.
func exitMeaning(code int) string {
	switch code {
	case 2:
		return " (a Go program that panicked, or a usage error)"
	case 126, 127:
		return " (the command could not be executed or found)"
	case 137:
		return " (killed, as for lack of memory)"
	case 143:
		return " (terminated from outside)"
	case 233:
		return " (or a sidecar did not listen)"
	case 234:
		return " (or the registry refused)"
	case 235:
		return " (or the encrypted image could not be opened)"
	case 237:
		return " (or a mount did not appear)"
	}
	return ""
}
