package cleanroom

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestFeatures does, for each row of the table of features that is about a
// party's documents and local keys, what the row says. The rows about rooms,
// deployments and services have tests of their own.
func TestFeatures(t *testing.T) {
	rows := map[int]bool{}
	row := func(number int, title string, run func(t *testing.T)) {
		rows[number] = true
		t.Run(fmt.Sprintf("%d %s", number, title), run)
	}
	sink := func(s *Specification, name string) *AccessPoint {
		a, err := s.Sink(name)
		must(t, err)
		return a
	}
	for number, party := range map[int]string{12: "publisher", 13: "consumer"} {
		row(number, "config init of the "+party, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), party+"-config")
			must(t, NewSpecification().CreateFile(file))
			s, err := ReadSpecification(file)
			must(t, err)
			if len(s.Identities) != 1 || s.Identities[0].Name != GovernanceIdentity {
				t.Errorf("%+v", s)
			}
			if err := NewSpecification().CreateFile(file); !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	row(11, "the kind of vault", func(t *testing.T) {
		s := &SecretStores{}
		must(t,
			s.Add(SecretStoreOptions{Name: "hsm", Type: KeyStore, Location: "https://h.managedhsm.azure.net", AttestationURL: testAttestation}),
			s.Add(SecretStoreOptions{Name: "premium", Type: KeyStore, Location: "https://v.vault.azure.net", Premium: true, AttestationURL: testAttestation}),
		)
		if err := s.Add(SecretStoreOptions{Name: "standard", Type: KeyStore, Location: "https://v.vault.azure.net", AttestationURL: testAttestation}); err == nil {
			t.Error("a standard vault released keys")
		}
	})
	for number, s := range map[int]*Specification{14: publisherDocument(t), 15: consumerDocument(t)} {
		row(number, "config set-kek", func(t *testing.T) {
			must(t,
				s.SetKEK(KEKStore{Key: "new-kek", VaultURL: "https://v.vault.azure.net", AttestationURL: testAttestation}),
				s.AddDatasink(DatasinkOptions{Name: "new", ContainerURL: "https://account1.blob.core.windows.net/new", Identity: s.Identities[1].Name}),
			)
			if got := sink(s, "new").Protection.EncryptionSecrets.KEK.Name; got != "new-kek" {
				t.Error(got)
			}
		})
	}
	for number, kind := range map[int]SandboxType{17: SandboxNone, 18: SandboxType0} {
		row(number, "config disable-sandbox and enable-sandbox", func(t *testing.T) {
			s := NewSpecificationG1()
			must(t, s.DisableSandbox())
			if kind == SandboxType0 {
				must(t, s.EnableSandbox())
			}
			issues, err := s.Validate(nil)
			must(t, err)
			warned := len(issues) == 1 && issues[0].ID == "SandboxDisabled"
			if s.Sandbox.SandboxType != kind || warned != (kind == SandboxNone) {
				t.Errorf("%+v, %v", s.Sandbox, issues)
			}
		})
	}
	publisher, consumer := publisherDocument(t), consumerDocument(t)
	row(21, "config set-logging", func(t *testing.T) {
		if a := publisher.Governance.Telemetry.Application.Logs; a.Name != ApplicationTelemetry || a.Store != sink(publisher, ApplicationTelemetry).Store {
			t.Errorf("%+v", a)
		}
	})
	row(22, "config set-telemetry", func(t *testing.T) {
		i := publisher.Governance.Telemetry.Infrastructure
		if i.Logs.Name != InfrastructureTelemetry || i.Metrics.Store != i.Logs.Store || i.Traces.Store != sink(publisher, InfrastructureTelemetry).Store {
			t.Errorf("%+v", i)
		}
	})
	row(23, "share the document", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "publisher-config")
		must(t, publisher.WriteFile(file))
		shared, err := ReadSpecification(file)
		must(t, err, shared.Includes(publisher), publisher.Includes(shared))
	})
	row(24, "config add-datasink", func(t *testing.T) {
		if a := sink(consumer, "consumer-output"); a.Type != VolumeReadWrite || a.Protection.EncryptionSecrets.DEK.Name != "wrapped-consumer-output-dek-200f0873-kek" {
			t.Errorf("%+v", a)
		}
	})
	row(25, "config add-datasource", func(t *testing.T) {
		s := consumerDocument(t)
		must(t, s.AddDatasource(DatasourceOptions{Name: "input", ContainerURL: "https://consa0001.blob.core.windows.net/input", Identity: "consumer-identity"}))
		if a, err := s.Source("input"); err != nil || a.Type != VolumeReadOnly {
			t.Errorf("%+v, %v", a, err)
		}
	})
	row(27, "DEK generation", func(t *testing.T) {
		keys, err := OpenDEKStore(filepath.Join(t.TempDir(), "keys"))
		must(t, err)
		made, err := keys.Create("consumer-output")
		must(t, err)
		defer made.Close()
		read, err := keys.Load("consumer-output")
		must(t, err)
		defer read.Close()
		if made.Digest() != read.Digest() {
			t.Error("another key was read")
		}
		if _, err := keys.Create("consumer-output"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a key was overwritten: %v", err)
		}
	})
	row(28, "config add-application", func(t *testing.T) {
		a := consumer.Applications[0]
		if a.Image.Reference() != testImage || len(a.Command) != 3 || len(a.Datasinks) != 1 || a.RuntimeSettings.Resource.Requests.CPU == 0 {
			t.Errorf("%+v", a)
		}
	})
	row(37, "limits of resources", func(t *testing.T) {
		if _, err := consumer.Validate(&ValidateOptions{Limits: Limits{CPU: 0.1}}); err == nil || !strings.Contains(err.Error(), "ResourceLimit") {
			t.Error(err)
		}
	})
	merged, err := Merge(consumer, publisher)
	must(t, err)
	row(38, "config view", func(t *testing.T) {
		must(t, merged.Includes(consumer), merged.Includes(publisher))
		if len(merged.Datasinks) != 3 || len(merged.Identities) != 3 {
			t.Errorf("%d sinks, %d identities", len(merged.Datasinks), len(merged.Identities))
		}
	})
	row(39, "config validate", func(t *testing.T) {
		_, err := merged.Validate(nil)
		must(t, err)
		merged := merged.clone()
		merged.Applications[0].Datasinks[0].Name = "gone"
		if _, err := merged.Validate(nil); err == nil || !strings.Contains(err.Error(), "DatasinkNotFound") {
			t.Error(err)
		}
	})
	row(46, "host data", func(t *testing.T) {
		d := testDeployment(t)
		if sum := sha256.Sum256(d.Policy); d.HostData != hex.EncodeToString(sum[:]) {
			t.Error(d.HostData)
		}
	})
	row(74, "network http, tcp and dns", func(t *testing.T) {
		s := NewSpecification()
		must(t, s.AllowHTTP(Outbound, ""), s.AllowTCP("2001:db8::1", 5432), s.AllowDNS(53))
		_, err := s.Validate(nil)
		must(t, err, s.DenyHTTP(Outbound), s.DenyTCP(), s.DenyDNS())
		if s.Network != nil {
			t.Errorf("%+v", s.Network)
		}
	})
	row(75, "secretstore, datastore and add-identity", func(t *testing.T) {
		secrets, data, s := &SecretStores{}, &Datastores{}, NewSpecification()
		must(t,
			secrets.Add(SecretStoreOptions{Name: "local", Type: LocalFileStore, Location: t.TempDir()}),
			secrets.Add(SecretStoreOptions{Name: "deks", Type: KeyVaultStore, Location: "https://v.vault.azure.net"}),
			secrets.Add(SecretStoreOptions{Name: "keks", Type: KeyStore, Location: "https://h.managedhsm.azure.net", AttestationURL: testAttestation}),
			data.Add(DatastoreOptions{Name: "output", SecretStore: "local", SecretStoreFile: "secretstores.yaml", Mode: ModeCPK, URL: "https://account1.blob.core.windows.net"}, secrets),
			s.AddIdentity("me", "c", "t", ""),
			s.AddStoredDatasink(data, secrets, StoredOptions{Datastore: "output", Identity: "me", DEKStore: "deks", KEKStore: "keks"}),
		)
		if a := sink(s, "output"); a.Datastore() != "output" || a.Protection.EncryptionSecrets.KEK.Secret.BackingResource.Provider.URL != "https://h.managedhsm.azure.net/" {
			t.Errorf("%+v", a)
		}
	})
	row(76, "a change of the code", func(t *testing.T) {
		after := merged.clone()
		after.Applications[0].Command = []string{"/other"}
		changes, err := Diff(merged, after)
		must(t, err)
		if len(changes) == 0 || !strings.Contains(fmt.Sprint(changes), "/other") {
			t.Errorf("%v", changes)
		}
	})
	if len(rows) != 21 {
		t.Errorf("%d rows, want 21", len(rows))
	}
}
