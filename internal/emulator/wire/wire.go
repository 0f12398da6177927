// Package wire holds what the emulators of Azure services have in common:
// bounded JSON over HTTP, the error envelope, base64 in all its spellings, and
// signed tokens.
package wire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// MaxBody bounds every request and answer that an emulator reads. The largest
// genuine one, an attestation request, has about 40 kB.
const MaxBody = 1 << 20

// Host is the host name of a request in lower case, without a port.
func Host(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(host)
}

// JSON answers with v.
func JSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("wire: internal error: answer is not JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// ErrorBody is the error envelope of Azure's data planes.
type ErrorBody struct {
	Code       string     `json:"code"`
	Message    string     `json:"message"`
	InnerError *InnerCode `json:"innererror,omitempty"`
}

// InnerCode tells apart errors that share a code.
type InnerCode struct {
	Code string `json:"code"`
}

// Error is a refusal: a status with the body that explains it.
type Error struct {
	Status               int
	Code, Inner, Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an [Error] without an inner code.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Fail answers with err, which is usually an [*Error]; anything else is a fault
// of the emulator and becomes a 500.
func Fail(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = Errorf(http.StatusInternalServerError, "InternalServerError", "%v", err)
	}
	body := ErrorBody{Code: e.Code, Message: e.Message}
	if e.Inner != "" {
		body.InnerError = &InnerCode{Code: e.Inner}
	}
	JSON(w, e.Status, map[string]any{"error": body})
}

// ReadJSON decodes one JSON value of at most [MaxBody] bytes into v, member
// names without regard to case as the services do. Numbers in interface values
// stay literals.
func ReadJSON(r io.Reader, v any) error {
	body, err := ReadBounded(r)
	if err != nil {
		return err
	}
	return Unmarshal(body, v)
}

// ReadBounded reads at most [MaxBody] bytes; more is an error.
func ReadBounded(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > MaxBody {
		return nil, fmt.Errorf("body is longer than %d bytes", MaxBody)
	}
	return body, nil
}

// Unmarshal is json.Unmarshal with numbers kept as literals.
func Unmarshal(b []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// Decode64 reads base64 in either alphabet, with or without padding: the
// services accept all four and clients use all four.
func Decode64(s string) ([]byte, error) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	return base64.RawURLEncoding.DecodeString(s)
}

// Encode64 is base64url without padding.
func Encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
