package datasink

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/internal/transport"
)

// clientOptions makes the caller's options safe for requests that carry a key
// and bodies that are the secret itself.
func clientOptions(o azcore.ClientOptions) azcore.ClientOptions {
	o = transport.NoRedirect(o)
	o.Transport = bounded{o.Transport}
	o.Logging.IncludeBody = false
	o.Logging.AllowedHeaders = slices.DeleteFunc(slices.Clone(o.Logging.AllowedHeaders), func(name string) bool {
		return strings.EqualFold(name, keyHeader) || strings.EqualFold(name, "Authorization")
	})
	return o
}

// keyHeader carries the customer's key.
const keyHeader = "x-ms-encryption-key"

const (
	maxListing = 64 << 20 // 5,000 names of 1,024 characters with their metadata
	maxAnswer  = 1 << 20  // any other answer that the Azure SDK reads whole
)

// bounded limits the bodies that the Azure SDK reads to their end: all but
// that of a range, of which this package reads what it asked for.
type bounded struct{ policy.Transporter }

func (b bounded) Do(req *http.Request) (*http.Response, error) {
	answer, err := b.Transporter.Do(req)
	if err != nil {
		return answer, err
	}
	limit := int64(maxAnswer)
	if req.Method == http.MethodGet && answer.StatusCode < 300 {
		if req.URL.Query().Get("comp") != "list" {
			return answer, nil
		}
		limit = maxListing
	}
	answer.Body = &limited{answer.Body, limit}
	return answer, nil
}

// limited fails rather than ends at its limit.
type limited struct {
	io.ReadCloser
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errors.New("datasink: the answer is longer than any that is right")
	}
	return n, err
}
