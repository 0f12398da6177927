package cleanroom_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/skr"
)

// testSecretsStay: a data key, a short and a long secret go their whole way,
// well and badly, and appear nowhere but in the room.
func testSecretsStay(u *vaultUser) {
	temp := u.TempDir()
	u.Setenv("TMPDIR", temp)
	var mu sync.Mutex
	var text strings.Builder
	note := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&text, "%v\n%+v\n%#v\n%s\n%q\n", v, v, v, v, v)
	}
	azlog.SetListener(func(_ azlog.Event, s string) { note(s) })
	defer azlog.SetListener(nil)
	attacking := false // the test's own writes hold what they store
	u.hold(func(_ *http.Request, body []byte) *http.Response {
		if !attacking {
			note(string(body))
		}
		return nil
	}, nil)
	deks, _ := openDEKs(u.T)
	dek, err := deks.Create("store-1")
	raw := rawKey(u.T, dek, err)
	note(dek)
	note(deks)
	short, long := []byte("canary-short-Zq7"), []byte(strings.Repeat("canary-long-Xw9 ", 100))
	canaries := [][]byte{raw, short, long[:32]}
	guest := u.env.Launch([]byte("package policy # canaries\n"))
	opts := cleanroom.KeysOptions{}
	opts.Logging.IncludeBody = true
	opts.Logging.AllowedHeaders = []string{"*"}
	keys := u.keys(opts)
	s := u.document("canaries-kek")
	refs, err := keys.WrapDEKs(u.Context(), s, []string{"output"}, deks, u.policyFor(guest))
	u.must(err)
	note(refs)
	_, pub, err := keys.ImportKEK(u.Context(), u.kek("canaries-kek"), u.policyFor(guest), nil)
	u.must(err)
	wrap := func(name string, value []byte) skr.SecretRef {
		ref := u.secret(name, "canaries-kek")
		ref.KEK = refs[0].KEK
		stored, err := keys.WrapSecret(u.Context(), ref, pub, value)
		u.must(err)
		note(stored)
		refs = append(refs, stored)
		return stored
	}
	wrap("canaries-short", short)
	pinned := wrap("canaries-long", long)
	for i, ref := range refs {
		if got, err := u.unwrapIn(guest, ref); err != nil || len(got) == 0 {
			u.Errorf("secret %d: %v", i, err)
		}
	}
	// Each way to fail, with the value at hand.
	failures := []error{}
	fail := func(err error) {
		u.Helper()
		if err == nil {
			u.Error("it did not fail")
		}
		failures = append(failures, err)
		note(err)
	}
	for _, value := range []string{string(long), base64.StdEncoding.EncodeToString(long), base64.StdEncoding.EncodeToString(raw), "%" + string(short)} {
		attacking = true
		_, err := u.secrets().SetSecret(u.Context(), "canaries-long", azsecrets.SetSecretParameters{Value: &value}, nil)
		attacking = false
		u.must(err)
		ref := pinned
		ref.Version = ""
		_, err = u.unwrapIn(guest, ref)
		fail(err)
		_, err = keys.CheckPins(u.Context(), u.policyFor(guest), ref)
		fail(err)
		ref.Digest = [32]byte{}
		_, err = u.unwrapIn(guest, ref)
		fail(err)
	}
	_, err = u.unwrapIn(u.env.Launch([]byte("package policy # another\n")), pinned)
	fail(err)
	_, err = keys.WrapSecret(u.Context(), pinned, pub, long)
	fail(err)
	_, err = keys.WrapSecret(u.Context(), u.secret("canaries-huge", "canaries-kek"), pub, []byte(strings.Repeat(string(long), 20)))
	fail(err)
	_, err = deks.Create("store-1")
	fail(err)
	u.hold(refuse("PUT", "/secrets/", 403, "Forbidden", "no"), nil)
	_, err = keys.WrapDEKs(u.Context(), s, []string{"output"}, deks, u.policyFor(guest))
	fail(err)
	if len(failures) != 17 {
		u.Errorf("%d failures, want 17", len(failures))
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(text.String(), "/secrets/canaries-long") {
		u.Error("nothing was logged")
	}
	for i, c := range canaries {
		for _, form := range []string{
			string(c), hex.EncodeToString(c), base64.StdEncoding.EncodeToString(c)[:len(c)], base64.RawURLEncoding.EncodeToString(c)[:len(c)], strings.Trim(fmt.Sprint(c), "[]"),
		} {
			if strings.Contains(text.String(), form) {
				u.Errorf("canary %d shows as %.24q", i, form)
			}
		}
	}
	if files, err := os.ReadDir(temp); err != nil || len(files) > 0 {
		u.Errorf("files %v, %v", files, err)
	}
}
