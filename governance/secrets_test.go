package governance_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func unescaped(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func TestSecrets(t *testing.T) {
	c, contract := commonConsortium(t)
	ctx := t.Context()
	k := c.publisher.Contract(contract) // need not exist yet
	id, err := k.PutSecret(ctx, "dbconfig", "one")
	c.check(err)
	again, err := k.PutSecret(ctx, "dbconfig", "two")
	c.check(err)
	if id != again || id != governance.SecretID(c.publisher.Member().ID(), "dbconfig") {
		t.Errorf("secret ids %s and %s", id, again)
	}
	theirs, err := c.consumer.Contract(contract).PutSecret(ctx, "dbconfig", "three")
	c.check(err)
	ids, err := k.Secrets(ctx)
	c.check(err)
	want := []string{id, theirs}
	slices.Sort(want)
	slices.Sort(ids)
	if !slices.Equal(ids, want) {
		t.Errorf("secrets %q, want %q", ids, want)
	}

	if _, err := k.PutSecret(ctx, "largest", strings.Repeat("\U0001f512", governance.MaxSecret/2)); err != nil {
		t.Errorf("the largest secret: %v", err)
	}
	const canary = "CANARY-51c7"
	for value, code := range map[string]string{"": "ValueMissing", canary + "\xff": "", canary + strings.Repeat("x", governance.MaxSecret): "ValueTooLarge"} {
		_, err := k.PutSecret(ctx, "name", value)
		wantText(t, err, "governance: put secret name of "+contract+": ", "the value ")
		if code != "" && wantCode(t, err, code).StatusCode != 0 {
			t.Errorf("it was sent: %.100v", err)
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("the error shows the value: %.100v", err)
		}
	}
	for _, name := range []string{"", "a/b", "a b", "a%2Fb", "..", "\u00fc", strings.Repeat("n", 257)} {
		_, err = k.PutSecret(ctx, name, "value")
		wantCode(t, err, "InvalidResourceName")
		wantText(t, err, "governance: put secret "+name+" of "+contract+": InvalidResourceName (not sent): secret name ")
	}
}

// TestSecretStoredElsewhere: a service that stores under another name than it was
// told would have a room read another secret.
func TestSecretStoredElsewhere(t *testing.T) {
	for _, id := range []string{"a_other", "a_namename2", "name", "a:name", "a-name"} {
		client := canned(t, func(r *http.Request, n int) (*http.Response, error) {
			if n == 1 {
				return respond(r, 200, http.Header{"X-Ms-Ccf-Transaction-Id": {"2.10"}}, `{"secretId":"`+id+`"}`), nil
			}
			return respond(r, 200, nil, `{"status":"Committed"}`), nil
		})
		_, err := client.Contract("k").PutSecret(t.Context(), "name", "value")
		wantText(t, err, "governance: put secret name of k: the service says that it stored it as \""+id+"\"")
	}
}
