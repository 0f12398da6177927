package cleanroom_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/skr"
)

// genuineStep is one run of the reference command: what it imported and stored.
type genuineStep struct {
	Name       string
	Args       []string
	Exit       int
	Result     json.RawMessage
	VaultCalls []struct {
		Command       string
		Options       map[string]any
		KeyVersion    int
		ReleasePolicy string `json:"releasePolicyFileText"`
		PrivateKey    string `json:"privateKeyPem"`
		Unwrapped     *struct {
			KEK                          string
			KeyVersion, NewestKeyVersion int
			PlaintextBase64              []byte
		}
	}
}

func readVectors(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func parsePEM(t testing.TB, text string) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("no PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func argument(args []string, name string) string {
	if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// differ are the steps at which this package does something else on purpose.
var differ = map[string]map[string]string{
	"keys-g1.json": {
		"wrap-secret without governance client":               "a KEK is made under an accepted policy or not at all; the command looks for a key with an empty name",
		"wrap-deks without governance client and without KEK": "the same; the command crashes",
		"consumer wrap-deks a second time, policy changed":    "a *KEKPolicyError; the command keeps the old policy and the old value in silence",
		"wrap-secret value of 191 bytes":                      "wrapped in the longer form; the command crashes",
	},
	"keys-g2.json": {
		"wrap-secret without governance client":               "a KEK is made under an accepted policy or not at all; the command looks for a key with an empty name",
		"wrap-deks without governance client and without KEK": "the same; the command crashes",
		"publisher wrap-deks":                                 "one import for one KEK; the command makes a version for each access point",
		"consumer wrap-deks a second time, policy changed":    "a *KEKPolicyError; the command rotates and strands what is under the old version",
		"wrap-secret value of 190 bytes":                      "the KEK that is there serves; the command rotates it and strands the database password",
		"wrap-secret value of 191 bytes":                      "wrapped in the longer form; the command rotates the KEK and crashes",
		"wrap-secret value in UTF-8":                          "the KEK that is there serves; the command rotates it again",
		"create-kek":                                          "the KEK that is there serves; the command makes a version for each access point",
	},
}

// testGenuineSteps replays what the reference commands of two releases sent to
// vaults, and reads each stored value in a room as they left it.
func testGenuineSteps(u *vaultUser) {
	for file, deviations := range differ {
		var v struct {
			HostData, AttestationEndpoint string
			Steps                         []genuineStep
			SecretsAtTheEnd               map[string]struct {
				KEK               string
				UnwrapsWithNewest bool
			}
		}
		readVectors(u.T, file, &v)
		u.must(u.env.ResetVault(u.party.Name))
		guest := u.env.Launch([]byte("package policy # " + file))
		room := u.policyFor(guest)
		genuine, err := cleanroom.ReleasePolicyFor(&governance.CleanRoomPolicy{Claims: map[string][]any{"x-ms-sevsnpvm-hostdata": {v.HostData}}}, v.AttestationEndpoint)
		u.must(err)
		versions := map[string][]string{} // of each KEK, in order
		ran, imports, stores, differs := 0, 0, 0, 0
		for _, step := range v.Steps {
			ran++
			path := argument(step.Args, "--cleanroom-config")
			if strings.Contains(step.Args[1], "wrap-secret") {
				path += "-1"
			}
			imported := map[string]int{}
			for _, c := range step.VaultCalls {
				name, _ := c.Options["--name"].(string)
				switch c.Command {
				case "keyvault key import":
					imports++
					imported[name]++
					if name != cleanroom.KEKName(path) {
						u.Errorf("%s, %s: the KEK %s, ours would be %s", file, step.Name, name, cleanroom.KEKName(path))
					}
					policy, err := skr.ParseReleasePolicy([]byte(c.ReleasePolicy))
					changed := strings.Contains(step.Name, "policy changed")
					if err != nil || policy.Equal(genuine) == changed {
						u.Errorf("%s, %s: policy %s, %v", file, step.Name, policy, err)
					}
					// A machine of the recorded host data cannot be had: the same
					// key under the policy of one that can.
					bundle, err := u.vault().ImportKey(u.Context(), name, azkeys.ImportKeyParameters{
						Key: jwkOf(parsePEM(u.T, c.PrivateKey)), HSM: to.Ptr(true),
						KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(true), Exportable: to.Ptr(true)},
						ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: room.Encode()},
					}, nil)
					u.must(err)
					versions[name] = append(versions[name], bundle.Key.KID.Version())
					if len(versions[name]) != c.KeyVersion {
						u.Errorf("%s, %s: version %d, recorded %d", file, step.Name, len(versions[name]), c.KeyVersion)
					}
				case "keyvault secret set":
					stores++
					_, err := u.secrets().SetSecret(u.Context(), name, azsecrets.SetSecretParameters{
						Value: to.Ptr(c.Options["--value"].(string)), Tags: map[string]*string{"file-encoding": to.Ptr("utf-8")},
					}, nil)
					u.must(err)
					ref := u.secret(name, c.Unwrapped.KEK)
					ref.KEK.Version = versions[c.Unwrapped.KEK][c.Unwrapped.KeyVersion-1]
					if got, err := u.unwrapIn(guest, ref); err != nil || !bytes.Equal(got, c.Unwrapped.PlaintextBase64) {
						u.Errorf("%s, %s: %s opens to %d bytes, %v", file, step.Name, name, len(got), err)
					}
				}
			}
			// The commands import a KEK again although it is there; ours uses it.
			for name, n := range imported {
				last := versions[name][len(versions[name])-1]
				ref, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek(name), room, nil)
				if err != nil || ref.Version != last {
					u.Errorf("%s, %s: ours would use %s, %v", file, step.Name, ref, err)
				}
				if again := n > 1 || len(versions[name]) > 1; again && deviations[step.Name] == "" {
					u.Errorf("%s, %s: the KEK is imported again, and nothing is said of it", file, step.Name)
				}
			}
			if deviations[step.Name] != "" {
				differs++
			} else if (step.Exit != 0) != u.oursRefuses(step) {
				u.Errorf("%s, %s: exit %d, ours otherwise", file, step.Name, step.Exit)
			}
			if step.Result != nil && string(step.Result) != "null" {
				u.readResult(file, step)
			}
		}
		wantImports, wantStores := 3, 6
		if file == "keys-g2.json" {
			wantImports, wantStores = 10, 7
		}
		if ran != 13 || imports != wantImports || stores != wantStores || differs != len(deviations) {
			u.Errorf("%s: ran %d steps, %d imports, %d stores, %d otherwise of %d", file, ran, imports, stores, differs, len(deviations))
		}
		// What no longer opens with the newest key is told from damage.
		for place, s := range v.SecretsAtTheEnd {
			_, name, _ := strings.Cut(place, "/")
			got, err := u.unwrapIn(guest, u.secret(name, s.KEK))
			var failed *skr.UnwrapError
			if (err == nil) != s.UnwrapsWithNewest || err != nil && (!errors.As(err, &failed) || failed.Reason() != skr.UnwrapKey) {
				u.Errorf("%s, at the end: %s: %d bytes, %v", file, place, len(got), err)
			}
		}
		if len(v.SecretsAtTheEnd) != 6 {
			u.Errorf("%s: %d secrets at the end, want 6", file, len(v.SecretsAtTheEnd))
		}
	}
}

// oursRefuses says what this package does at the steps that are about a missing
// policy; the others it does.
func (u *vaultUser) oursRefuses(step genuineStep) bool {
	u.Helper()
	switch step.Name {
	case "wrap-secret before a policy is accepted", "wrap-deks before a policy is accepted":
		_, err := cleanroom.ReleasePolicyFor(&governance.CleanRoomPolicy{}, maaURL)
		return failedChecks(err) != nil
	case "create-kek without host data":
		_, err := cleanroom.ReleasePolicyFor(&governance.CleanRoomPolicy{Claims: map[string][]any{"x-ms-sevsnpvm-is-debuggable": {"false"}}}, maaURL)
		return failedChecks(err) != nil
	}
	return false
}

// readResult reads what wrap-secret printed as the reference that it is, once
// the identity is there that the publisher adds by hand.
func (u *vaultUser) readResult(file string, step genuineStep) {
	u.Helper()
	var members map[string]any
	u.must(json.Unmarshal(step.Result, &members))
	members["clientId"], members["tenantId"] = u.party.AccountID, u.party.TenantID
	b, err := json.Marshal(members)
	u.must(err)
	var ref skr.SecretRef
	if err := json.Unmarshal(b, &ref); err != nil || ref.Name != argument(step.Args, "--name") || strings.HasSuffix(ref.VaultURL, "/") || ref.KEK.Name == "" || ref.CheckPinned() == nil {
		u.Errorf("%s, %s: read as %+v, %v", file, step.Name, ref, err)
	}
}

// testGenuineRequests compares our import and store with the genuine client's,
// member by member.
func testGenuineRequests(u *vaultUser) {
	var v struct {
		PrivateKey    string `json:"kekPrivateKeyPem"`
		ReleasePolicy string `json:"releasePolicyFileText"`
		Requests      []struct {
			Name, Method, URL string
			Body              map[string]any
		}
	}
	readVectors(u.T, "vault-requests.json", &v)
	genuine := parsePEM(u.T, v.PrivateKey)
	genuinePolicy, err := skr.ParseReleasePolicy([]byte(v.ReleasePolicy))
	u.must(err)
	sent := map[string]map[string]any{} // by method and collection
	u.hold(func(req *http.Request, body []byte) *http.Response {
		if len(body) > 0 && req.Header.Get("Authorization") != "" && req.Method == http.MethodPut {
			var doc map[string]any
			u.must(json.Unmarshal(body, &doc))
			sent[strings.Split(req.URL.Path, "/")[1]] = doc
		}
		return nil
	}, nil)
	keys := u.keys(cleanroom.KeysOptions{})
	ref, pub, err := keys.ImportKEK(u.Context(), u.kek("requests"), u.policyFor(u.env.Launch([]byte("package policy # requests\n"))), nil)
	u.must(err)
	secret := u.secret("requests", "requests")
	secret.KEK = ref
	_, err = keys.WrapSecret(u.Context(), secret, pub, make([]byte, 32))
	u.must(err)
	calls := u.calls()
	var ran []string
	for _, r := range v.Requests {
		ran = append(ran, r.Method)
		switch {
		case strings.HasPrefix(r.Name, "import"):
			ours := sent["keys"]
			theirKey, ourKey := r.Body["key"].(map[string]any), ours["key"].(map[string]any)
			if got, want := slices.Sorted(maps.Keys(ourKey)), slices.Sorted(maps.Keys(theirKey)); !slices.Equal(got, want) {
				u.Errorf("%s: the key has %v, want %v", r.Name, got, want)
			}
			for name, want := range cleanroom.JWKNumbers(genuine) {
				if theirKey[name] != want {
					u.Errorf("%s: our %s of the same key is otherwise", r.Name, name)
				}
			}
			for _, member := range []string{"Hsm", "attributes"} {
				ours, theirs := mustJSON(ours[member]), mustJSON(r.Body[member])
				if ours != theirs {
					u.Errorf("%s: %s is %s, want %s", r.Name, member, ours, theirs)
				}
			}
			if mustJSON(ourKey["kty"]) != mustJSON(theirKey["kty"]) || mustJSON(ourKey["key_ops"]) != mustJSON(theirKey["key_ops"]) {
				u.Errorf("%s: %v of %v", r.Name, ourKey["kty"], ourKey["key_ops"])
			}
			theirPolicy, ourPolicy := r.Body["release_policy"].(map[string]any), ours["release_policy"].(map[string]any)
			raw, err := base64.RawURLEncoding.DecodeString(theirPolicy["data"].(string))
			u.must(err)
			if parsed, err := skr.ParseReleasePolicy(raw); err != nil || !parsed.Equal(genuinePolicy) || ourPolicy["immutable"] != theirPolicy["immutable"] {
				u.Errorf("%s: policy %s, %v", r.Name, parsed, err)
			}
		case strings.HasPrefix(r.Name, "set"):
			value, _ := r.Body["value"].(string)
			raw, err := base64.StdEncoding.DecodeString(value)
			ours, _ := sent["secrets"]["value"].(string)
			if err != nil || len(raw) != 256 || len(ours) != len(value) {
				u.Errorf("%s: %d characters, want %d", r.Name, len(ours), len(value))
			}
		case r.Name == "list keys":
			// On purpose otherwise: ours asks for the one key, which a vault of
			// many keys answers as fast and an account without keys/list may.
			if r.Method != http.MethodGet || slices.ContainsFunc(calls, func(c string) bool { return strings.HasSuffix(c, "/keys") }) {
				u.Errorf("%s: %s, ours %v", r.Name, r.Method, calls)
			}
		default:
			// Read requests: the genuine client's addresses, with and without a
			// slash at the end, lead the emulator to the same objects.
			if r.Method != http.MethodGet || len(r.Body) > 0 {
				u.Errorf("%s: %s", r.Name, r.Method)
			}
			path := r.URL[strings.Index(r.URL, ".net/")+4:]
			path = strings.NewReplacer("wrapped-consumer-output-dek-200f0873-kek", "requests", "200f0873-kek", "requests").Replace(path)
			u.get(u.party.VaultURL + path)
		}
	}
	if len(ran) != 6 || len(sent) != 2 {
		u.Errorf("ran %v with %d of ours", ran, len(sent))
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// get reads as the party.
func (u *vaultUser) get(url string) {
	u.Helper()
	token, err := u.conn.Credential().GetToken(u.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	u.must(err)
	req, err := http.NewRequestWithContext(u.Context(), http.MethodGet, url, nil)
	u.must(err)
	req.Header.Set("Authorization", "Bearer "+token.Token)
	res, err := u.conn.HTTPClient().Do(req)
	u.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		u.Errorf("GET %s: %d %s, %v", url, res.StatusCode, body, err)
	}
}

// testManagedHSM: the KEK lies in a Managed HSM and the wrapped value in a vault
// beside it.
func testManagedHSM(u *vaultUser) {
	guest := u.env.Launch([]byte("package policy # hsm\n"))
	ref := u.kek("hsm-kek")
	ref.VaultURL = u.party.HSMURL
	keys := u.keys(cleanroom.KeysOptions{})
	kek, pub, err := keys.ImportKEK(u.Context(), ref, u.policyFor(guest), nil)
	u.must(err)
	again, _, err := keys.ImportKEK(u.Context(), ref, u.policyFor(guest), nil)
	if err != nil || again != kek {
		u.Errorf("imported again as %s, %v", again, err)
	}
	secret := u.secret("under-hsm", "hsm-kek")
	secret.KEK = kek
	for _, value := range []string{"short", strings.Repeat("long ", 100)} {
		stored, err := keys.WrapSecret(u.Context(), secret, pub, []byte(value))
		u.must(err)
		if got, err := u.unwrapIn(guest, stored); err != nil || string(got) != value {
			u.Errorf("%d bytes, %v", len(got), err)
		}
	}
	var mismatch *cleanroom.KEKPolicyError
	if _, _, err := keys.ImportKEK(u.Context(), ref, u.policyFor(u.env.Launch([]byte("other"))), nil); !errors.As(err, &mismatch) {
		u.Errorf("another policy: %v", err)
	}
}
