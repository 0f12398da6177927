package skr

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/internal/transport"
)

// maxResponse bounds every answer of a service.
const maxResponse = transport.MaxAnswer

// clientOptions are the options of every Azure client of this package.
func clientOptions(o azcore.ClientOptions) azcore.ClientOptions { return transport.Harden(o, nil) }

// serviceError puts a service's refusal on one line. azcore's own text is a
// page; it stays reachable with errors.As.
type serviceError struct {
	code, inner, message string
	err                  *azcore.ResponseError
}

// serviceDocument is the body with which an Azure service refuses.
type serviceDocument struct {
	Error struct {
		Code       string `json:"code"`
		Message    string `json:"message"`
		InnerError struct {
			Code string `json:"code"`
		} `json:"innererror"`
	} `json:"error"`
}

// explainService shortens err if it is the answer of an Azure service.
func explainService(err error) error {
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) {
		return err
	}
	e := &serviceError{code: resp.ErrorCode, err: resp}
	if resp.RawResponse == nil || resp.RawResponse.Body == nil {
		return e
	}
	body, readErr := runtime.Payload(resp.RawResponse)
	var doc serviceDocument
	if readErr == nil && json.Unmarshal(body, &doc) == nil {
		e.inner, e.message = doc.Error.InnerError.Code, doc.Error.Message
		if e.code == "" {
			e.code = doc.Error.Code
		}
	}
	return e
}

// Error is one line, whatever the service wrote.
func (e *serviceError) Error() string {
	s := fmt.Sprintf("%d %s", e.err.StatusCode, http.StatusText(e.err.StatusCode))
	if e.code != "" {
		s += " " + shorten(e.code)
	}
	if e.inner != "" {
		s += " (" + shorten(e.inner) + ")"
	}
	if e.message != "" {
		s += ": " + shorten(e.message)
	}
	return check.Printable(s)
}

func (e *serviceError) Unwrap() error { return e.err }
