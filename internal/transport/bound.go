package transport

import (
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// bounded limits the body of each answer, since the Azure clients read most of
// them whole.
type bounded struct {
	next  policy.Transporter
	limit Limit
}

func (b bounded) Do(req *http.Request) (*http.Response, error) {
	answer, err := b.next.Do(req)
	if err != nil || answer.Body == nil {
		return answer, err
	}
	if n := b.limit(req, answer); n >= 0 {
		answer.Body = &boundedBody{ReadCloser: answer.Body, limit: n, left: n}
	}
	return answer, nil
}

// boundedBody fails, rather than ends, at its limit: a cut answer must never
// look like a whole one.
type boundedBody struct {
	io.ReadCloser
	limit, left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &TooLongError{b.limit}
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, &TooLongError{b.limit}
	}
	return n, err
}

// TooLongError is an answer beyond its limit. Azure's clients do not ask for it
// again.
type TooLongError struct{ Limit int64 }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the answer exceeds %d bytes, which no right one does", e.Limit)
}

// NonRetriable is what azcore looks for.
func (e *TooLongError) NonRetriable() {}
