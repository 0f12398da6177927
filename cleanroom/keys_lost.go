package cleanroom

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// maxWrites bounds how often one write is sent whose answers get lost.
const maxWrites = 3

// store sends a write and, if its answer is lost, looks whether it was done
// before it sends it again: a vault makes a new version of each, and what is
// newest is what a room gets. Only a refusal for being too busy, which says that
// nothing was done, is repeated by the client itself.
func (k *Keys) store(ctx context.Context, write func(context.Context) error, done func(context.Context) (bool, error)) error {
	retry := k.azure.Retry
	retry.ShouldRetry = func(resp *http.Response, err error) bool {
		return err == nil && resp.StatusCode == http.StatusTooManyRequests
	}
	once := policy.WithRetryOptions(ctx, retry)
	for n := 1; ; n++ {
		err := write(once)
		if err == nil || !isLost(err) || ctx.Err() != nil {
			return err
		}
		stored, lookErr := done(ctx)
		switch {
		case stored && lookErr == nil:
			return nil
		case lookErr != nil:
			return fmt.Errorf("%w; whether it was stored could not be seen either (%w): try again", err, lookErr)
		case n == maxWrites:
			return err
		}
	}
}

// isLost reports whether the write may have been done in spite of the error.
func isLost(err error) bool {
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) {
		return true
	}
	return resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusRequestTimeout
}
