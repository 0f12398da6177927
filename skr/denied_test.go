package skr

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

func TestReleaseDenied(t *testing.T) {
	w := newWorld(t)
	r := w.releaser(t)
	release := func() error {
		_, err := r.Release(context.Background(), w.ref(), &bearer{"t"})
		return err
	}
	wantService := func(t *testing.T, err error, status int) {
		t.Helper()
		var resp *azcore.ResponseError
		if !errors.As(err, &resp) || resp.StatusCode != status {
			t.Errorf("the service's error is not reachable: %v", err)
		}
	}
	t.Run("policy", func(t *testing.T) {
		p, err := NewReleasePolicy(maaHost, strings.Repeat("cd", 32))
		if err != nil {
			t.Fatal(err)
		}
		good := w.policy
		w.policy = p.Encode()
		defer func() { w.policy = good }()
		err = release()
		if ids := failedIDs(err); len(ids) != 1 || ids[0] != "policy."+claimHostData {
			t.Errorf("failed checks %v", ids)
		}
		for _, want := range []string{strings.Repeat("cd", 32), strings.Repeat("ab", 32), vaultHost, keyName} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is missing in %v", want, err)
			}
		}
		wantService(t, err, 403)
	})
	t.Run("policy unreadable", func(t *testing.T) {
		w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Host != vaultHost || r.Header.Get("Authorization") == "" {
				return false
			}
			refuse(rw, 403, "Forbidden", "", "Target environment attestation does not meet key release policy requirements.")
			return true
		}
		defer func() { w.intercept = nil }()
		err := release()
		if ids := failedIDs(err); len(ids) != 1 || ids[0] != "release.policy" {
			t.Errorf("failed checks %v", ids)
		}
		if !strings.Contains(err.Error(), w.hostData) {
			t.Errorf("the claims are missing: %v", err)
		}
	})
	t.Run("role", func(t *testing.T) {
		w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Host != vaultHost || r.Header.Get("Authorization") == "" {
				return false
			}
			refuse(rw, 403, "Forbidden", "ForbiddenByRbac", "Caller is not authorized")
			return true
		}
		defer func() { w.intercept = nil }()
		err := release()
		if ids := failedIDs(err); len(ids) != 1 || ids[0] != "release.role" {
			t.Errorf("failed checks %v", ids)
		}
		wantService(t, err, 403)
	})
	t.Run("token", func(t *testing.T) {
		w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || r.Host != vaultHost || r.Header.Get("Authorization") == "" {
				return false
			}
			refuse(rw, 403, "Forbidden", "AccessDenied", "Target environment attestation statement cannot be verified.")
			return true
		}
		defer func() { w.intercept = nil }()
		if ids := failedIDs(release()); len(ids) != 1 || ids[0] != "release.token" {
			t.Errorf("failed checks %v", ids)
		}
	})
	t.Run("response", func(t *testing.T) {
		w.editRelease = func(_, p, _ object) { requestOf(p)["kid"] = "https://" + vaultHost + "/keys/other" }
		defer func() { w.editRelease = nil }()
		err := release()
		if ids := failedIDs(err); len(ids) != 1 || ids[0] != "release.request-kid" {
			t.Errorf("failed checks %v", ids)
		}
		var denied *DeniedError
		if !errors.As(err, &denied) || denied.By != "this program" {
			t.Errorf("denied by %v", denied)
		}
	})
	t.Run("debuggable", func(t *testing.T) {
		w.editToken = func(_, c object) { c[claimDebuggable] = true }
		defer func() { w.editToken = nil }()
		before := w.count("POST " + vaultHost)
		if ids := failedIDs(release()); len(ids) != 1 || ids[0] != "token.debuggable" {
			t.Errorf("failed checks %v", ids)
		}
		if w.count("POST "+vaultHost) != before {
			t.Error("the vault was asked with a token that was refused")
		}
	})
	t.Run("not found", func(t *testing.T) {
		ref := w.ref()
		ref.Name = "unknown"
		_, err := r.Release(context.Background(), ref, &bearer{"t"})
		wantService(t, err, 404)
	})
	t.Run("afterwards", func(t *testing.T) {
		if err := release(); err != nil {
			t.Errorf("a denial was remembered: %v", err)
		}
	})
}

// A redirect would carry evidence, token and bearer to another host.
func TestNoRedirectIsFollowed(t *testing.T) {
	for _, from := range []string{"POST " + maaHost, "GET " + maaHost, "POST " + vaultHost, "GET " + vaultHost} {
		for _, status := range []int{302, 307, 308} {
			w := newWorld(t)
			w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Method+" "+r.Host != from || r.Host == vaultHost && r.Header.Get("Authorization") == "" {
					return false
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil { // an early answer has net/http rewind it while it is sent
					t.Error(err)
				}
				rw.Header().Set("Location", "https://"+evilHost+r.URL.Path)
				rw.WriteHeader(status)
				return true
			}
			u := w.unwrapper(t, w.releaser(t))
			if _, err := u.Unwrap(context.Background(), w.secretRef("pw")); err == nil {
				t.Errorf("%s %d: no error", from, status)
			}
			w.mu.Lock()
			for _, r := range w.requests {
				if strings.Contains(r, evilHost) {
					t.Errorf("%s %d: followed: %s", from, status, r)
				}
			}
			w.mu.Unlock()
		}
	}
}
