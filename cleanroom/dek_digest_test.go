package cleanroom

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

func TestDEKDigest(t *testing.T) {
	digest := sha256.Sum256([]byte("key"))
	s := consumerDocument(t)
	o := DatasinkOptions{Name: "pinned", ContainerURL: "https://a.blob.core.windows.net/pinned", Identity: "consumer-identity", DEKDigest: digest}
	must(t, s.AddDatasink(o))
	again, err := ParseSpecification(encoded(t, s))
	must(t, err)
	point, err := again.Sink("pinned")
	must(t, err)
	if got, err := point.DEKDigest(); err != nil || got != digest {
		t.Errorf("%x, %v", got, err)
	}
	if mode, err := point.Mode(); err != nil || mode != "CPK" {
		t.Errorf("mode %q, %v", mode, err)
	}
	env, err := point.SinkEnvironment()
	must(t, err)
	if env.DEKDigest != digest {
		t.Errorf("the environment has %x", env.DEKDigest)
	}
	plain, err := again.Sink("consumer-output")
	must(t, err)
	if got, err := plain.DEKDigest(); err != nil || got != [32]byte{} {
		t.Errorf("not pinned: %x, %v", got, err)
	}
	o.Name, o.Mode = "plain", "SSE"
	if err := s.AddDatasink(o); err == nil || !strings.Contains(err.Error(), "could be pinned") {
		t.Errorf("SSE: %v", err)
	}
}

// A digest that cannot be read is refused everywhere: taken for none, it would
// be a pin that does not hold.
func TestDEKDigestRefuses(t *testing.T) {
	digest := sha256.Sum256([]byte("key"))
	good := base64.StdEncoding.EncodeToString(digest[:])
	for name, text := range map[string]string{
		"empty":      "",
		"zero":       base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"short":      base64.StdEncoding.EncodeToString(digest[:31]),
		"long":       base64.StdEncoding.EncodeToString(append(digest[:], 0)),
		"no padding": strings.TrimRight(good, "="),
		"line end":   good[:20] + "\n" + good[20:],
		"hex":        strings.Repeat("ab", 32),
		"word":       "none",
	} {
		s := mergedDocument(t)
		point, err := s.Sink("consumer-output")
		must(t, err)
		point.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "CPK", "KeyType": "KEK", dekDigestConfig: text})
		if got, err := point.DEKDigest(); err == nil || got != [32]byte{} {
			t.Errorf("%s: %x", name, got)
		}
		if _, err := point.SinkEnvironment(); err == nil {
			t.Errorf("%s: an environment was made", name)
		}
		if _, err := s.Validate(nil); err == nil || !strings.Contains(err.Error(), "InvalidConfiguration") {
			t.Errorf("%s: %v", name, err)
		}
		value, err := testSink().Encode()
		must(t, err)
		value = strings.TrimSuffix(value, "}") + `,"dekSha256":` + jsonLine(text) + "}"
		if _, err := ParseSinkEnvironment(value); err == nil || !strings.Contains(err.Error(), "dekSha256") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := mergedDocument(t)
	point, err := s.Sink("consumer-output")
	must(t, err)
	point.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "SSE", dekDigestConfig: good})
	point.Protection.EncryptionSecrets = nil
	if _, err := s.Validate(nil); err == nil || !strings.Contains(err.Error(), "SSE has no data key") {
		t.Errorf("SSE with a digest: %v", err)
	}
}

// A document that names a host which is not storage is refused as a whole.
func TestValidateStorageHosts(t *testing.T) {
	for _, account := range []string{"https://evil.example/", "https://consa0001.blob.core.windows.net.evil.example/", "https://consa0001.blob.core.windows.net:8443/"} {
		s := mergedDocument(t)
		point, err := s.Sink("consumer-output")
		must(t, err)
		point.Store.Provider.URL = account
		if _, err := s.Validate(nil); err == nil || !strings.Contains(err.Error(), "UnknownStorageHost") {
			t.Errorf("%s: %v", account, err)
		}
		if _, err := Generate(s, testOptions(t)); err == nil {
			t.Errorf("%s: generated", account)
		}
	}
}
