package governance_test

import (
	"crypto/elliptic"
	"encoding/json"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// BenchmarkSignedProposal is what a proposal costs before it is sent: the JSON
// of its actions, the signature and the message. A deployment template makes it
// larger than most.
func BenchmarkSignedProposal(b *testing.B) {
	template := json.RawMessage(`{"resources":"` + strings.Repeat("x", 16<<10) + `"}`)
	actions := []governance.Action{governance.SetDeploymentSpec("collab1", template)}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		b.Run(curve.Params().Name, func(b *testing.B) {
			keys, err := governance.GenerateMemberKeys("m", &governance.MemberKeysOptions{Curve: curve})
			if err != nil {
				b.Fatal(err)
			}
			m, err := keys.Member()
			if err != nil {
				b.Fatal(err)
			}
			client, err := governance.NewClient("https://host", m, &governance.ClientOptions{ServiceCertificate: m.CertificatePEM()})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := governance.SignProposal(client, actions); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "proposals/s")
		})
	}
}
