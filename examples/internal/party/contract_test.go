package party

import (
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/examples/internal/query"
)

// TestExpected: a publisher who is shown anything that was not agreed on does
// not vote for it.
func TestExpected(t *testing.T) {
	const image, secret = "registry.example.org/query@sha256:f43c6f049f04cbbaeb28f0aad3eea15274a7d0a7899a617d0037aec48d7ab010", "abc_dbconfig"
	app := func(change func(*cleanroom.ApplicationOptions)) cleanroom.Application {
		o := cleanroom.ApplicationOptions{
			Name: "query", Image: image, Command: []string{"/query"}, CPU: 0.5, MemoryInGB: 1,
			Environment: cleanroom.Environment{{Name: query.SecretVariable, Value: secret}},
		}
		change(&o)
		s := cleanroom.NewSpecification()
		if err := s.AddApplication(o); err != nil {
			t.Fatal(err)
		}
		return s.Applications[0]
	}
	same := app(func(*cleanroom.ApplicationOptions) {})
	p := &Party{Image: image}
	for name, c := range map[string]struct {
		review cleanroom.ContractReview
		say    string
	}{
		"agreed":  {cleanroom.ContractReview{Applications: []cleanroom.Application{same}, Datasinks: []string{"consumer-output"}}, ""},
		"network": {cleanroom.ContractReview{Applications: []cleanroom.Application{same}, Network: []string{"tcp 203.0.113.9:443"}}, "203.0.113.9:443"},
		"second application": {cleanroom.ContractReview{Applications: []cleanroom.Application{same, app(func(o *cleanroom.ApplicationOptions) {
			o.Name = "exfil"
		})}}, "2 applications"},
		"none":      {cleanroom.ContractReview{}, "0 applications"},
		"source":    {cleanroom.ContractReview{Applications: []cleanroom.Application{same}, Datasources: []string{"data"}}, "reads from data"},
		"telemetry": {cleanroom.ContractReview{Applications: []cleanroom.Application{same}, Governance: []string{"governance.audit"}}, "governance.audit"},
		"image": {cleanroom.ContractReview{Applications: []cleanroom.Application{app(func(o *cleanroom.ApplicationOptions) {
			o.Image = strings.Replace(image, "sha256:f4", "sha256:00", 1)
		})}}, "reviewed was"},
		"secret": {cleanroom.ContractReview{Applications: []cleanroom.Application{app(func(o *cleanroom.ApplicationOptions) {
			o.Environment[0].Value = "consumer_dbconfig"
		})}}, "consumer_dbconfig"},
		"variable": {cleanroom.ContractReview{Applications: []cleanroom.Application{app(func(o *cleanroom.ApplicationOptions) {
			o.Environment = append(o.Environment, cleanroom.EnvVar{Name: "HTTPS_PROXY", Value: "http://evil.example"})
		})}}, "HTTPS_PROXY"},
	} {
		err := p.expected(&c.review, secret)
		if (c.say == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
