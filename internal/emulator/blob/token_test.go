package blob_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/internal/emulator/blob"
	"github.com/cleanroom-go/sdk/internal/emulator/entra"
	"github.com/cleanroom-go/sdk/internal/emulator/wire/wiretest"
)

// TestTokens takes the tokens of the local authority, whose signature,
// audience and expiry are checked.
func TestTokens(t *testing.T) {
	const tenant, client = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	f := &fixture{network: wiretest.New(t, "*.blob.core.windows.net", entra.DefaultHost)}
	authority, err := entra.New(entra.Options{HTTP: f.network.Client})
	if err != nil {
		t.Fatal(err)
	}
	authority.AddSecret(tenant, client, "correct horse")
	f.Server = blob.New(blob.Options{Verify: func(token, audience string) (string, string, error) {
		p, err := authority.Verify(token, audience)
		return p.TenantID, p.ClientID, err
	}})
	f.network.Handle(entra.DefaultHost, authority)
	f.network.Handle("*.blob.core.windows.net", f.Server)

	cred, err := azidentity.NewClientSecretCredential(tenant, client, "correct horse", &azidentity.ClientSecretCredentialOptions{ClientOptions: f.options()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := datasink.New(f.containerURL(), cred, &datasink.Options{ClientOptions: f.options(), Mode: datasink.CPK, DEK: newDEK(t)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateContainer(t.Context())
	wantCode(t, "before the grant", err, 403, "AuthorizationPermissionMismatch")
	f.Grant(account, client, blob.Read, blob.Write)
	if _, err := s.CreateContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := write(t, s, "a", content(100)); err != nil {
		t.Fatal(err)
	}
	// A token that was altered, and one of nobody.
	status, code, _ := f.do(t, "GET", s.String()+"/a", "", map[string]string{"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."})
	if status != 401 || code != "InvalidAuthenticationInfo" {
		t.Errorf("an unsigned token: %d %s", status, code)
	}
}
