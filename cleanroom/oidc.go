package cleanroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/governance"
)

// PublishIssuer puts the two public documents of the contract service's token
// issuer where Microsoft Entra reads them, and returns the issuer URL in the
// form that is to be registered with the governance service and in the
// federated credentials: without a trailing slash.
//
// web is the container $web of a storage account, in mode SSE since the
// documents are public; issuerURL is an address below that account's static
// website. keys is what the governance service publishes; fetch it with
// [governance.OIDCClient.Keys], which pins the service: whoever could plant a
// key there could become the room.
func PublishIssuer(ctx context.Context, web *datasink.Sink, issuerURL string, keys json.RawMessage) (string, error) {
	const op = "cleanroom: publish issuer"
	if web == nil {
		return "", errors.New(op + ": no sink; make one of the container $web")
	}
	if web.Mode() != datasink.SSE {
		return "", fmt.Errorf("%s: the sink %s has mode %s, and nobody could read the documents; open it with mode SSE", op, web, web.Mode())
	}
	u, err := httpsURL(issuerURL)
	if err != nil {
		return "", fmt.Errorf("%s: %w", op, err)
	}
	issuer := strings.TrimSuffix(u.String(), "/")
	folder := strings.TrimPrefix(strings.TrimSuffix(u.EscapedPath(), "/"), "/")
	if folder != "" && (!localPath(folder) || strings.Contains(folder, "%")) {
		return "", fmt.Errorf("%s: the path of %s is not clean", op, shorten(issuerURL, 200))
	}
	configuration, jwks, err := governance.IssuerDocuments(issuer, keys)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", op, issuer, err)
	}
	// The keys go first: a configuration must not name keys that are not there.
	for _, document := range []struct {
		name string
		text []byte
	}{{"openid/v1/jwks", jwks}, {".well-known/openid-configuration", configuration}} {
		if err := publish(ctx, web, path.Join(folder, document.name), document.text); err != nil {
			return "", fmt.Errorf("%s %s: %w", op, issuer, err)
		}
	}
	return issuer, nil
}

func publish(ctx context.Context, web *datasink.Sink, name string, text []byte) error {
	w, err := web.Create(ctx, name, &datasink.CreateOptions{ContentType: "application/json", Size: int64(len(text))})
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Commit()
}
