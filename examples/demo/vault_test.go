package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/skr"
)

// prepared is a scenario whose room only has to be launched.
func prepared(t *testing.T, change ...func(*config)) *scenario {
	t.Helper()
	needDatabase(t)
	c := config{out: t.TempDir(), format: formats[0]}
	for _, f := range change {
		f(&c)
	}
	s, err := newScenario(c)
	if err != nil {
		t.Fatal(err)
	}
	s.report = steps.New(t.Output(), steps.Options{})
	t.Cleanup(func() {
		if err := s.tidy(nil); err != nil {
			t.Error(err)
		}
	})
	for _, step := range []func(context.Context) error{func(context.Context) error { return errors.Join(s.reportable(), s.folders()) }, s.start, s.prepare} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestSwappedVault puts another vault behind the name that the parties agreed
// on. An empty one has nothing for the room; one with a key and a password of
// an attacker's own, under the names of the true ones, is noticed since the
// ledger's secret names the version that was stored.
func TestSwappedVault(t *testing.T) {
	for name, fill := range map[string]bool{"empty": false, "with the attacker's own": true} {
		t.Run(name, func(t *testing.T) {
			s := prepared(t)
			if err := s.env.ResetVault(cleanroomtest.Publisher); err != nil {
				t.Fatal(err)
			}
			if fill {
				plant(t, s)
			}
			err := s.room(t.Context())
			if err == nil {
				t.Fatal("the room did not notice")
			}
			var denied *deniedByChild
			if errors.As(err, &denied) || !strings.Contains(err.Error(), "publisher-db-password") || !strings.Contains(err.Error(), "404") {
				t.Errorf("the failure does not name what is missing: %v", err)
			}
		})
	}
}

// plant stores a key that the room can have released, and a password under it.
func plant(t *testing.T, s *scenario) {
	t.Helper()
	party, err := s.env.Party(cleanroomtest.Publisher)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.env.Connect(cleanroomtest.Publisher, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	keys, err := azkeys.NewClient(party.VaultURL, conn.Credential(), &azkeys.ClientOptions{ClientOptions: conn.ClientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := azsecrets.NewClient(party.VaultURL, conn.Credential(), &azsecrets.ClientOptions{ClientOptions: conn.ClientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := skr.ParseReleasePolicy([]byte(`{"version":"1.0.0","anyOf":[{"authority":"https://` + cleanroomtest.AttestationHost + `","allOf":[{"claim":"x-ms-attestation-type","equals":"sevsnpvm"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = keys.ImportKey(t.Context(), "publisher-kek", azkeys.ImportKeyParameters{
		HSM: new(true),
		Key: &azkeys.JSONWebKey{
			Kty: new(azkeys.KeyTypeRSA), KeyOps: []*azkeys.KeyOperation{new(azkeys.KeyOperationEncrypt), new(azkeys.KeyOperationWrapKey)},
			N: key.N.Bytes(), E: []byte{1, 0, 1}, D: key.D.Bytes(), P: key.Primes[0].Bytes(), Q: key.Primes[1].Bytes(),
			DP: key.Precomputed.Dp.Bytes(), DQ: key.Precomputed.Dq.Bytes(), QI: key.Precomputed.Qinv.Bytes(),
		},
		KeyAttributes: &azkeys.KeyAttributes{Enabled: new(true), Exportable: new(true)},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: policy.Encode()},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := skr.WrapOAEP(&key.PublicKey, []byte("the attacker's"))
	if err != nil {
		t.Fatal(err)
	}
	value := base64.StdEncoding.EncodeToString(wrapped)
	if _, err := secrets.SetSecret(t.Context(), "publisher-db-password", azsecrets.SetSecretParameters{Value: &value}, nil); err != nil {
		t.Fatal(err)
	}
}
