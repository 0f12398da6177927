package skrtest

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

// Variables of [Live].
const (
	KeyVariable         = "SKR_KEY"
	DeniedKeyVariable   = "SKR_DENIED_KEY"
	AttestationVariable = "SKR_ATTESTATION"
	HostDataVariable    = "SKR_HOST_DATA"
	SidecarVariable     = "SKR_SIDECAR"
)

// Live runs the suite against the services that the process's variables name;
// it reports false, and runs nothing, if they name no key.
func Live(t *testing.T) bool {
	t.Helper()
	if os.Getenv(KeyVariable) == "" {
		return false
	}
	env, hostData, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	endpoint := os.Getenv(SidecarVariable)
	if endpoint == "" {
		device, err := snp.OpenDevice(nil)
		if err != nil {
			t.Fatal(err)
		}
		env.New = func() (*skr.Releaser, error) { return skr.NewReleaser(device, nil) }
		t.Run("attester", func(t *testing.T) { Attester(t, AttesterEnvironment{Attester: device, HostData: hostData}) })
		t.Run("releaser", func(t *testing.T) { Releaser(t, env) })
		return true
	}
	sidecar, err := skr.NewSidecarClient(endpoint, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sidecar.Close)
	t.Run("attester", func(t *testing.T) { Attester(t, AttesterEnvironment{Attester: sidecar, HostData: hostData}) })
	env.New = func() (*skr.Releaser, error) { return skr.NewReleaser(sidecar, nil) }
	t.Run("releaser", func(t *testing.T) { Releaser(t, env) })
	env.New = func() (*skr.Releaser, error) { return skr.NewSidecarReleaser(sidecar, nil) }
	t.Run("sidecar", func(t *testing.T) { Releaser(t, env) })
	return true
}

func fromEnvironment() (env ReleaserEnvironment, hostData [32]byte, err error) {
	attestation := os.Getenv(AttestationVariable)
	if env.Key, err = keyOf(os.Getenv(KeyVariable), attestation); err != nil {
		return env, hostData, fmt.Errorf("skrtest: %s: %w", KeyVariable, err)
	}
	if denied := os.Getenv(DeniedKeyVariable); denied != "" {
		if env.Denied, err = keyOf(denied, attestation); err != nil {
			return env, hostData, fmt.Errorf("skrtest: %s: %w", DeniedKeyVariable, err)
		}
	}
	if text := os.Getenv(HostDataVariable); text != "" {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != len(hostData) {
			return env, hostData, fmt.Errorf("skrtest: %s: want 64 hexadecimal digits", HostDataVariable)
		}
		copy(hostData[:], b)
	}
	if env.Credential, err = azidentity.NewDefaultAzureCredential(nil); err != nil {
		return env, hostData, fmt.Errorf("skrtest: %w", err)
	}
	return env, hostData, nil
}

// keyOf reads the identifier of a key.
func keyOf(id, attestation string) (skr.KeyRef, error) {
	u, err := url.Parse(id)
	if err != nil {
		return skr.KeyRef{}, fmt.Errorf("no URL of a key")
	}
	rest, ok := strings.CutPrefix(u.Path, "/keys/")
	if !ok {
		return skr.KeyRef{}, fmt.Errorf("want https://VAULT/keys/NAME or https://VAULT/keys/NAME/VERSION")
	}
	name, version, _ := strings.Cut(rest, "/")
	return skr.KeyRef{Name: name, Version: version, VaultURL: u.Scheme + "://" + u.Host, AttestationURL: attestation}.Normalize()
}
