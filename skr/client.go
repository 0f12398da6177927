package skr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/cleanroom-go/sdk/internal/transport"
)

// maxResponse bounds every answer of a service. A release response has about
// ten kilobytes, a token three, a key set a few dozen.
const maxResponse = 1 << 20

// clientOptions are the options of every Azure client of this package: no
// redirect is followed and no answer may exceed maxResponse.
func clientOptions(o azcore.ClientOptions) azcore.ClientOptions {
	o = transport.NoRedirect(o)
	o.Transport = bounded{o.Transport}
	return o
}

// bounded limits the body of each response.
type bounded struct{ next policy.Transporter }

func (b bounded) Do(req *http.Request) (*http.Response, error) {
	resp, err := b.next.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxResponse}
	return resp, nil
}

// boundedBody fails, rather than ends, at its limit: a cut answer must never
// look like a whole one.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLongError{}
	}
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= n
	if b.left < 0 {
		return n - 1, tooLongError{}
	}
	return n, err
}

// tooLongError tells azcore not to ask for the same long answer again.
type tooLongError struct{}

func (tooLongError) Error() string {
	return fmt.Sprintf("answer exceeds %d bytes", maxResponse)
}
func (tooLongError) NonRetriable() {}

// serviceError puts a service's refusal on one line. azcore's own text is a
// page; it stays reachable with errors.As.
type serviceError struct {
	code, inner, message string
	err                  *azcore.ResponseError
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
	var doc struct {
		Error struct {
			Code       string `json:"code"`
			Message    string `json:"message"`
			InnerError struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if readErr == nil && json.Unmarshal(body, &doc) == nil {
		e.inner, e.message = doc.Error.InnerError.Code, doc.Error.Message
		if e.code == "" {
			e.code = doc.Error.Code
		}
	}
	return e
}

func (e *serviceError) Error() string {
	s := fmt.Sprintf("%d %s", e.err.StatusCode, http.StatusText(e.err.StatusCode))
	if e.code != "" {
		s += " " + e.code
	}
	if e.inner != "" {
		s += " (" + e.inner + ")"
	}
	if e.message != "" {
		s += ": " + shorten(e.message)
	}
	return s
}

func (e *serviceError) Unwrap() error { return e.err }
