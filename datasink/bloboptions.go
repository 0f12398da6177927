package datasink

import (
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/internal/transport"
)

// clientOptions makes the caller's options safe for requests that carry a key
// and bodies that are the secret itself.
func clientOptions(o azcore.ClientOptions) azcore.ClientOptions { return transport.Harden(o, limitOf) }

// keyHeader carries the customer's key.
const keyHeader = "x-ms-encryption-key"

// maxListing is 5,000 names of 1,024 characters with their metadata.
const maxListing = 64 << 20

// limitOf bounds the bodies that the Azure SDK reads to their end: all but that
// of a range, of which this package reads what it asked for.
func limitOf(req *http.Request, answer *http.Response) int64 {
	switch {
	case req.Method != http.MethodGet || answer.StatusCode >= 300:
		return transport.MaxAnswer
	case req.URL.Query().Get("comp") == "list":
		return maxListing
	}
	return -1
}
