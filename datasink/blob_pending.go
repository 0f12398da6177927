package datasink

import (
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// newBlobBackend says that the module does not require the Azure blob client:
// containers come with it.
func newBlobBackend(_ string, _ azcore.TokenCredential, _ *Options) (Backend, error) {
	return nil, fmt.Errorf("this build has no Azure blob client: %w", errors.ErrUnsupported)
}
