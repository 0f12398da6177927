package sidecar

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Generation is a state of the sidecars that rooms run with; they differ in
// routes and in how they tell errors.
type Generation int

const (
	// Current is that of 2026: SKR 2.13 with /attest/combined.
	Current Generation = iota
	// November2024 has no /attest/combined, no lines of help in its errors and
	// no key_ops in its keys.
	November2024
)

// objects writes JSON objects behind one another, as the SKR sidecar does after
// some failures: it goes on where it should have returned.
func objects(w http.ResponseWriter, status int, list ...any) {
	var b bytes.Buffer
	for _, o := range list {
		text, err := json.Marshal(o)
		if err != nil {
			panic("sidecar: internal error: " + err.Error())
		}
		b.Write(text)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// failure is an error whose text is all that there is.
type failure struct {
	Error any `json:"error"`
}

// help is what the current generation writes between what failed and why.
const help = "ERROR: this request could not be served\n" +
	"The reason is behind these lines\n" +
	"Common reasons are collected in\n" +
	"skr/TROUBLESHOOTING.md: "

func (g Generation) failure(what, cause string) failure {
	switch {
	case g == November2024 && what == whatReleased:
		return failure{cause}
	case g == November2024:
		return failure{what + ": " + cause}
	}
	return failure{what + "\n" + help + cause}
}

// notFound is the answer to a path or method that is not served.
func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("404 page not found"))
}

// missing is the problem document for members of a request that are not there.
func missing(w http.ResponseWriter, names ...string) {
	fields := map[string][]string{}
	for _, n := range names {
		fields[n] = []string{"The " + n + " field is required."}
	}
	objects(w, http.StatusBadRequest, map[string]any{
		"type": "https://tools.ietf.org/html/rfc9110#section-15.5.1", "title": "One or more validation errors occurred.",
		"status": http.StatusBadRequest, "errors": fields, "traceId": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00",
	})
}

// exception is what an unforeseen failure becomes, with the name of its type.
func exception(w http.ResponseWriter, code, message string) {
	objects(w, http.StatusInternalServerError, failure{map[string]string{"code": code, "message": message}})
}

var errBase64 = errors.New("illegal base64 data")

// standardBase64 reads the only form that the SKR sidecar takes.
func standardBase64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errBase64
	}
	return b, nil
}

// bareHost drops scheme, port and path of an endpoint, as the secrets sidecar
// does with those of a KEK.
func bareHost(endpoint string) string {
	_, rest, found := strings.Cut(endpoint, "://")
	if !found {
		rest = endpoint
	}
	rest, _, _ = strings.Cut(rest, "/")
	host, _, _ := strings.Cut(rest, ":")
	return host
}
