package cleanroom

import (
	"strings"
	"testing"
)

// Two data stores must not share a secret of a vault, in whatever case it is
// written; two access points on one data store do.
func TestValidateFindsKeysThatOverwriteEachOther(t *testing.T) {
	const tenant, client = "22222222-2222-2222-2222-222222222222", "11111111-1111-1111-1111-111111111111"
	for name, c := range map[string]struct {
		stores [2]string
		vault  string
		want   bool
	}{
		"two stores":                   {[2]string{"store-1", "store-2"}, "", false},
		"one store":                    {[2]string{"store-1", "store-1"}, "", false},
		"only the case":                {[2]string{"Store-1", "store-1"}, "", true},
		"only the case, of vaults too": {[2]string{"Store-1", "store-1"}, "https://V.VAULT.azure.net", true},
		"only the case, other vaults":  {[2]string{"Store-1", "store-1"}, "https://w.vault.azure.net", false},
	} {
		s := NewSpecification()
		must(t, s.AddIdentity("identity", client, tenant, ""))
		must(t, s.SetKEK(KEKStore{Key: "kek", VaultURL: "https://v.vault.azure.net/", AttestationURL: "https://maa.attest.azure.net"}))
		must(t, s.AddDatasink(DatasinkOptions{Name: "a", ContainerURL: "https://a.blob.core.windows.net/one", Datastore: c.stores[0], Identity: "identity"}))
		must(t, s.AddDatasource(DatasourceOptions{Name: "b", ContainerURL: "https://a.blob.core.windows.net/two", Datastore: c.stores[1], Identity: "identity", DEKVaultURL: c.vault}))
		issues, _ := s.Validate(nil)
		found := 0
		for _, i := range issues {
			if i.ID == "DuplicateSecretName" && i.Severity == SeverityError && strings.Contains(i.Message, "upper from lower case") {
				found++
			}
		}
		if (found == 1) != c.want || found > 1 {
			t.Errorf("%s: %d findings: %v", name, found, issues)
		}
	}
}

// A data store has one key, so its access points have one mode.
func TestValidateFindsKeyInTwoModes(t *testing.T) {
	const tenant, client = "22222222-2222-2222-2222-222222222222", "11111111-1111-1111-1111-111111111111"
	for modes, want := range map[[2]string]bool{{"CPK", "CPK"}: false, {"CPK", "Sealed"}: true, {"Sealed", "CSE"}: true, {"Sealed", "SSE"}: false} {
		s := NewSpecification()
		must(t, s.AddIdentity("identity", client, tenant, ""))
		must(t, s.SetKEK(KEKStore{Key: "kek", VaultURL: "https://v.vault.azure.net/", AttestationURL: "https://maa.attest.azure.net"}))
		must(t, s.AddDatasink(DatasinkOptions{Name: "a", ContainerURL: "https://a.blob.core.windows.net/one", Datastore: "store", Identity: "identity", Mode: modes[0]}))
		must(t, s.AddDatasource(DatasourceOptions{Name: "b", ContainerURL: "https://a.blob.core.windows.net/two", Datastore: "store", Identity: "identity", Mode: modes[1]}))
		issues, _ := s.Validate(nil)
		found := false
		for _, i := range issues {
			found = found || i.ID == "DataKeyInTwoModes" && i.Severity == SeverityError
		}
		if found != want {
			t.Errorf("%v: %v", modes, issues)
		}
	}
}
