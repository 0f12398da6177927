package snp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/veraison/go-cose"

	"github.com/cleanroom-go/sdk/skr"
)

type header = cose.ProtectedHeader

func TestEndorsementForms(t *testing.T) {
	c, _ := twoChips(t)
	b := testBuilder()
	ec := newBuilder(testEKU, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), cose.AlgorithmES384)
	for name, uvm := range map[string][]byte{
		"older": b.older(nil), "newer": b.newer(nil),
		"number":   b.older(func(_ header, p *string) { *p = strings.Replace(*p, `"101"`, "101", 1) }),
		"capitals": b.older(func(_ header, p *string) { *p = strings.ReplaceAll(*p, "cdcd", "CDCD") }),
	} {
		result, err := c.verifier(t, nil).Verify(&skr.Evidence{Report: c.report(t, nil, nil), Certificates: c.chain, UVMEndorsements: uvm})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if *result.UVM != (UVMEndorsement{Issuer: b.did(), Feed: UVMFeed, SVN: 101, Measurement: measurement}) {
			t.Errorf("%s: %+v", name, result.UVM)
		}
	}
	v, err := NewVerifierWithTestRoots(TestRoots{ARKAndASK: c.trustPEM, UVMIssuer: ec.did()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(&skr.Evidence{Report: c.report(t, nil, nil), Certificates: c.chain, UVMEndorsements: ec.newer(nil)}); err != nil {
		t.Errorf("ES384: %v", err)
	}
}

func TestEndorsementRefusals(t *testing.T) {
	c, _ := twoChips(t)
	b := testBuilder()
	foreign := newBuilder(testEKU, authorityKeys()[2], cose.AlgorithmPS384)
	noUsage := newBuilder(nil, authorityKeys()[2], cose.AlgorithmPS384)
	older := func(edit func(header, *string)) []byte { return b.older(edit) }
	payload := func(from, to string) []byte {
		return older(func(_ header, p *string) { *p = strings.Replace(*p, from, to, 1) })
	}
	set := func(label, value any) []byte { return older(func(h header, _ *string) { h[label] = value }) }
	drop := func(label any) []byte { return older(func(h header, _ *string) { delete(h, label) }) }
	claims := func(key, value any) []byte {
		return b.newer(func(h header, _ *string) {
			m := map[any]any{claimIssuer: b.did(), claimSubject: UVMFeed, "svn": uint64(101)}
			if m[key] = value; value == nil {
				delete(m, key)
			}
			h[labelCWT] = m
		})
	}
	good := b.older(nil)
	flipped := func(off int) []byte {
		d := bytes.Clone(good)
		d[(off+len(d))%len(d)] ^= 1
		return d
	}
	cases := map[string]struct {
		uvm  []byte
		want string
	}{
		"text":                    {[]byte("x"), "uvm.format"},
		"untagged":                {good[1:], "uvm.format"},
		"truncated":               {good[:len(good)-1], "uvm.format"},
		"surplus":                 {append(bytes.Clone(good), 0), "uvm.format"},
		"huge":                    {bytes.Repeat(good, 50), "uvm.format"},
		"no chain":                {drop(labelX5Chain), "uvm.format"},
		"one certificate":         {set(labelX5Chain, b.leaf.Raw), "uvm.format"},
		"no certificate":          {set(labelX5Chain, []any{"x"}), "uvm.format"},
		"many certificates":       {set(labelX5Chain, []any{b.leaf.Raw, b.root.Raw, b.root.Raw, b.root.Raw, b.root.Raw, b.root.Raw, b.root.Raw, b.root.Raw, b.root.Raw, b.root.Raw, b.root.Raw}), "uvm.format"},
		"critical":                {set(cose.HeaderLabelCritical, []any{"iss"}), "uvm.format"},
		"no iss":                  {drop("iss"), "uvm.format"},
		"iss of a number":         {set("iss", int64(1)), "uvm.format"},
		"no feed":                 {drop("feed"), "uvm.format"},
		"content type":            {set(cose.HeaderLabelContentType, "text/plain"), "uvm.format"},
		"payload":                 {payload("{", "["), "uvm.format"},
		"short measurement":       {payload("cd", ""), "uvm.format"},
		"no measurement":          {payload("launchmeasurement", "x"), "uvm.format"},
		"no svn":                  {payload("guestsvn", "x"), "uvm.format"},
		"negative svn":            {payload(`"101"`, "-1"), "uvm.format"},
		"fraction":                {payload(`"101"`, "1.5"), "uvm.format"},
		"claims without iss":      {claims(claimIssuer, nil), "uvm.format"},
		"claims without sub":      {claims(claimSubject, nil), "uvm.format"},
		"claims without svn":      {claims("svn", nil), "uvm.format"},
		"claims with svn -1":      {claims("svn", int64(-1)), "uvm.format"},
		"claims with svn text":    {claims("svn", "101"), "uvm.format"},
		"claims with a JSON":      {b.newer(func(_ header, p *string) { *p = "{}" }), "uvm.format"},
		"claims, type of content": {b.newer(func(h header, _ *string) { h[labelEnvelopeType] = "text/plain" }), "uvm.format"},
		"another issuer":          {set("iss", foreign.did()), "uvm.issuer"},
		"another usage":           {set("iss", strings.TrimSuffix(b.did(), "2")+"5"), "uvm.issuer"},
		"another builder's":       {foreign.older(nil), "uvm.issuer"},
		"claims, another issuer":  {claims(claimIssuer, "x"), "uvm.issuer"},
		"leaf alone":              {set(labelX5Chain, []any{b.leaf.Raw}), "uvm.chain"},
		"root as leaf":            {set(labelX5Chain, []any{b.root.Raw, b.leaf.Raw}), "uvm.chain"},
		"chain of another":        {set(labelX5Chain, []any{foreign.leaf.Raw, foreign.root.Raw}), "uvm.chain"},
		"leaf of another":         {set(labelX5Chain, []any{foreign.leaf.Raw, b.root.Raw}), "uvm.chain"},
		"signature bit":           {flipped(-1), "uvm.signature"},
		"payload bit":             {bytes.Replace(good, []byte(`"101"`), []byte(`"999"`), 1), "uvm.signature"},
		"feed changed":            {bytes.Replace(good, []byte(UVMFeed), []byte("ContainerPlat-AMD-UVN"), 1), "uvm.signature"},
	}
	v := c.verifier(t, nil)
	verify := func(v *Verifier, uvm []byte) error {
		result, err := v.Verify(&skr.Evidence{Report: c.report(t, nil, nil), Certificates: c.chain, UVMEndorsements: uvm})
		if result.UVM != nil {
			t.Error("a refused endorsement came back")
		}
		return err
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := verify(v, tc.uvm); failedIDs(err) != tc.want {
				t.Errorf("failed %q, want %q: %v", failedIDs(err), tc.want, err)
			}
		})
	}
	if len(cases) != 38 {
		t.Errorf("%d cases", len(cases))
	}
	// The DID wants a usage that the leaf does not have.
	v, err := NewVerifierWithTestRoots(TestRoots{ARKAndASK: c.trustPEM, UVMIssuer: noUsage.did()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(v, noUsage.older(nil)); failedIDs(err) != "uvm.chain" {
		t.Errorf("without the usage: %v", err)
	}
	// Without an issuer nothing is accepted.
	if v, err = NewVerifierWithTestRoots(TestRoots{ARKAndASK: c.trustPEM}, nil); err != nil {
		t.Fatal(err)
	}
	if err := verify(v, good); failedIDs(err) != "uvm.issuer" {
		t.Errorf("without issuers: %v", err)
	}
}

func TestAlgorithmFollowsTheKey(t *testing.T) {
	rsaKey := &authorityKeys()[0].PublicKey
	for _, c := range []struct {
		alg  cose.Algorithm
		want string
	}{
		{cose.AlgorithmPS256, "rsa"}, {cose.AlgorithmPS384, "rsa"}, {cose.AlgorithmPS512, "rsa"},
		{cose.AlgorithmES256, "P-256"}, {cose.AlgorithmES384, "P-384"}, {cose.AlgorithmES512, "P-521"},
		{cose.AlgorithmEdDSA, ""}, {-257, ""}, {0, ""},
	} {
		if algorithmFits(c.alg, rsaKey) != (c.want == "rsa") {
			t.Errorf("%v for RSA", c.alg)
		}
		for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
			if algorithmFits(c.alg, &ecdsa.PublicKey{Curve: curve}) != (c.want == curve.Params().Name) {
				t.Errorf("%v for %s", c.alg, curve.Params().Name)
			}
		}
	}
	if algorithmFits(cose.AlgorithmEdDSA, []byte{}) {
		t.Error("a key of no kind")
	}
}

func TestParseDID(t *testing.T) {
	if microsoftUVM.text != MicrosoftUVMIssuer || len(microsoftUVM.usages) != 1 {
		t.Errorf("%+v", microsoftUVM)
	}
	good := testBuilder().did()
	for name, did := range map[string]string{
		"empty": "", "other method": strings.Replace(good, "x509", "web", 1), "version 1": strings.Replace(good, ":0:", ":1:", 1),
		"sha384": strings.Replace(good, "sha256", "sha384", 1), "no policy": strings.Split(good, "::")[0], "padded": strings.Replace(good, "::", "=::", 1),
		"short digest": "did:x509:0:sha256:AAAA::eku:1.2", "subject": good + "::subject:CN:x", "usage": good + ".x", "empty usage": strings.Split(good, "::")[0] + "::eku:", "huge arc": good + ".99999999999",
	} {
		if d, err := parseDIDX509(did); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d, err := parseDIDX509(good + "::eku:1.2.3"); err != nil || len(d.usages) != 2 {
		t.Errorf("two usages: %v", err)
	}
}
