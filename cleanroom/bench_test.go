package cleanroom

import (
	"fmt"
	"strings"
	"testing"
)

// largeDocument has n access points and a tenth as many applications, each of
// which uses ten of them.
func largeDocument(t testing.TB, n int) *Specification {
	t.Helper()
	s := NewSpecification()
	must(t,
		s.AddIdentity("consumer-identity", "22222222-2222-4222-8222-222222222222", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", "https://oidccon0001.z6.web.core.windows.net/oidc"),
		s.SetKEK(KEKStore{Key: "kek", VaultURL: "https://conkv0001.vault.azure.net", AttestationURL: testAttestation}),
	)
	var mounts Mounts
	for i := range n {
		name := fmt.Sprintf("sink-%d", i)
		must(t, s.AddDatasink(DatasinkOptions{Name: name, ContainerURL: "https://consa0001.blob.core.windows.net/" + name, Identity: "consumer-identity"}))
		mounts = append(mounts, Mount{name, "/mnt/" + name})
		if len(mounts) == 10 {
			must(t, s.AddApplication(ApplicationOptions{Name: fmt.Sprintf("app-%d", i/10), Image: testImage, Command: []string{"/app"}, Datasinks: mounts, CPU: 0.01, MemoryInGB: 0.1}))
			mounts = nil
		}
	}
	return s
}

// BenchmarkDocument prints what one access point costs in each operation, at
// 10, 100 and 1,000 of them: it should not grow.
func BenchmarkDocument(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		s := largeDocument(b, n)
		text, err := s.Encode()
		must(b, err)
		options := testOptions(b)
		for _, op := range []struct {
			name string
			run  func() error
		}{
			{"read", func() error { _, err := ParseSpecification(text); return err }},
			{"merge", func() error { _, err := Merge(s, s); return err }},
			{"validate", func() error { _, err := s.Validate(nil); return err }},
			{"generate", func() error { _, err := Generate(s, options); return err }},
			{"diff", func() error { _, err := Diff(s, s); return err }},
		} {
			b.Run(fmt.Sprintf("%s/%d", op.name, n), func(b *testing.B) {
				for b.Loop() {
					if err := op.run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/access-point")
			})
		}
	}
}

// Ten megabytes made to exhaust a reader of any generation are refused before
// anything is allocated for them.
func TestTenMegabytes(t *testing.T) {
	const size = 10 << 20
	for name, text := range map[string]string{
		"aliases": "a: &a [x]\n" + strings.Repeat("b: [*a,*a,*a,*a,*a]\n", size/20),
		"depth":   strings.Repeat("[", size),
		"scalar":  "a: " + strings.Repeat("x", size),
		"lines":   strings.Repeat("\n", size),
	} {
		for kind, parse := range map[string]func([]byte) error{
			"G2":     func(b []byte) error { _, err := ParseSpecification(b); return err },
			"G1":     func(b []byte) error { _, err := ParseSpecificationG1(b); return err },
			"G0":     func(b []byte) error { _, err := ImportSpecificationG0(b, nil); return err },
			"stores": func(b []byte) error { _, err := ParseDatastores(b); return err },
			"secret": func(b []byte) error { _, err := ParseSecretStores(b); return err },
		} {
			var err error
			b := []byte(text)
			used := allocated(func() { err = parse(b) })
			if err == nil || !strings.Contains(err.Error(), "bytes, more than") || used > 1 {
				t.Errorf("%s, %s: %d MiB allocated, %v", kind, name, used, err)
			}
		}
	}
}
