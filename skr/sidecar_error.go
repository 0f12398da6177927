package skr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/cleanroom-go/sdk/internal/check"
)

// SidecarError is a failure that a sidecar answered with. The sidecars say 403
// or 500 for nearly everything; what the service behind them said is read out
// of the text as far as it can be, and is then reachable with errors.As as an
// *azcore.ResponseError too.
type SidecarError struct {
	// Sidecar is its name and address.
	Sidecar string
	// StatusCode is the sidecar's own.
	StatusCode int
	// ServiceStatus is that of the service behind it, 0 if the text names none.
	ServiceStatus int
	// Code is the code of the service or of the sidecar, and InnerCode the one
	// inside; both may be empty.
	Code, InnerCode string
	// Message is the text that came with it, shortened; empty if none came.
	Message string

	// attestation is true if the attestation service refused.
	attestation bool
	// broken is true if the text ends as that of a failed connection.
	broken bool
	// codes are Microsoft Entra's numbers in the text.
	codes []int
}

// Error is one line, whatever the sidecar wrote.
func (e *SidecarError) Error() string {
	s := fmt.Sprintf("the %s answered %d %s", e.Sidecar, e.StatusCode, http.StatusText(e.StatusCode))
	if e.ServiceStatus != 0 && e.ServiceStatus != e.StatusCode {
		s += fmt.Sprintf(" for a %d %s", e.ServiceStatus, http.StatusText(e.ServiceStatus))
	}
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.InnerCode != "" {
		s += " (" + e.InnerCode + ")"
	}
	switch {
	case e.Message != "":
		s += ": " + e.Message
	case e.Code == "":
		s += " without a reason"
	}
	return check.Printable(s)
}

// Unwrap is the service's own error, as far as it is known.
func (e *SidecarError) Unwrap() error {
	if e.ServiceStatus == 0 {
		return nil
	}
	return e.response()
}

func (e *SidecarError) response() *azcore.ResponseError {
	return &azcore.ResponseError{StatusCode: e.ServiceStatus, ErrorCode: e.Code}
}

// service is the same as an error of the service itself, for explanations that
// were made for the direct way.
func (e *SidecarError) service() *serviceError {
	return &serviceError{code: e.Code, inner: e.InnerCode, message: e.Message, err: e.response()}
}

// serviceStatus is how the SKR sidecar ends its text if a service answered.
// There may be several, of a chain of causes; the last is the service's.
var serviceStatus = regexp.MustCompile(`http response status equal to (\d{3})`)

// entraNumber is how Microsoft Entra begins a message.
var entraNumber = regexp.MustCompile(`AADSTS(\d{5,7})\b`)

// readSidecarError understands what the three sidecars write: a text, an
// object, {} or nothing as "error"; an object without "error"; a problem
// document; two objects behind one another; a service's own answer; plain text.
func readSidecarError(sidecar string, status int, body []byte) *SidecarError {
	e := &SidecarError{Sidecar: sidecar, StatusCode: status}
	text := string(body)
	if objects, err := jsonObjects(body); err == nil {
		text = e.readObject(objects[0])
	}
	if m := serviceStatus.FindAllStringSubmatch(text, -1); m != nil {
		e.ServiceStatus, _ = strconv.Atoi(m[len(m)-1][1])
		e.readQuoted(text)
	}
	for _, m := range entraNumber.FindAllStringSubmatch(text, -1) {
		if n, err := strconv.Atoi(m[1]); err == nil && len(e.codes) < 8 {
			e.codes = append(e.codes, n)
		}
	}
	for _, end := range passing {
		e.broken = e.broken || strings.HasSuffix(strings.TrimSpace(text), end)
	}
	e.attestation = strings.Contains(text, "MAA token") || strings.Contains(text, "attestation failed")
	if e.Message == "" {
		e.Message = text
	}
	e.Code, e.InnerCode, e.Message = shorten(e.Code), shorten(e.InnerCode), shorten(strings.TrimSpace(e.Message))
	return e
}

// readObject returns the text of an error object, and keeps its codes.
func (e *SidecarError) readObject(o map[string]json.RawMessage) string {
	raw, wrapped := o["error"]
	if wrapped {
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s
		}
		inner := map[string]json.RawMessage{}
		if json.Unmarshal(raw, &inner) != nil {
			return ""
		}
		o = inner
	}
	var doc struct {
		Code       string `json:"code"`
		Message    string `json:"message"`
		InnerError struct {
			Code string `json:"code"`
		} `json:"innererror"`
		Title  string              `json:"title"`
		Errors map[string][]string `json:"errors"`
	}
	b, err := json.Marshal(o)
	if err != nil || json.Unmarshal(b, &doc) != nil {
		return ""
	}
	e.Code, e.InnerCode = doc.Code, doc.InnerError.Code
	if doc.Message != "" {
		return doc.Message
	}
	for _, lines := range doc.Errors {
		return strings.TrimSpace(doc.Title + " " + strings.Join(lines, " "))
	}
	return doc.Title
}

// readQuoted finds the service's own JSON in the middle of a text.
func (e *SidecarError) readQuoted(text string) {
	start := strings.Index(text, `{"error"`)
	if start < 0 {
		return
	}
	var doc serviceDocument
	if json.NewDecoder(strings.NewReader(text[start:])).Decode(&doc) == nil {
		e.Code, e.InnerCode, e.Message = doc.Error.Code, doc.Error.InnerError.Code, doc.Error.Message
	}
}

// maxSidecarObjects bounds how many objects one answer is taken apart into.
const maxSidecarObjects = 4

// jsonObjects reads one or more JSON objects behind one another. Its errors
// quote nothing: there may be a key in the text.
func jsonObjects(body []byte) ([]map[string]json.RawMessage, error) {
	var objects []map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		var o map[string]json.RawMessage
		err := dec.Decode(&o)
		switch {
		case errors.Is(err, io.EOF) && len(objects) > 0:
			return objects, nil
		case err != nil || o == nil:
			return nil, errors.New("no JSON object")
		case len(objects) == maxSidecarObjects:
			return nil, errors.New("too many JSON objects")
		}
		objects = append(objects, o)
	}
}

// permanent are codes with which a sidecar answers 500 for what will not change:
// an identity that it does not have, a value that is not base64, a key that
// does not fit.
var permanent = map[string]bool{"InvalidClientId": true, "CryptographicException": true, "FormatException": true, "ArgumentException": true}

// passing are ends of texts about a connection between a sidecar and a service.
var passing = []string{"connection refused", "connection reset by peer", "no such host", "i/o timeout", "TLS handshake timeout", "EOF", "Client.Timeout exceeded while awaiting headers)"}

// worthRepeating tells what may pass from what was decided. A 403 of the SKR
// sidecar is either: only its text says which.
func worthRepeating(resp *http.Response, err error) bool {
	if err != nil {
		return true
	}
	if passes(resp.StatusCode) {
		return true
	}
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusInternalServerError {
		return false
	}
	body, err := runtime.Payload(resp)
	if err != nil {
		return false
	}
	e := readSidecarError("", resp.StatusCode, body)
	switch {
	case e.ServiceStatus != 0:
		return passes(e.ServiceStatus) || e.ServiceStatus == http.StatusInternalServerError
	case len(e.codes) > 0:
		return false
	case resp.StatusCode == http.StatusInternalServerError:
		return !permanent[e.Code]
	}
	return e.broken
}

// passes reports whether a status says that it will not last.
func passes(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
