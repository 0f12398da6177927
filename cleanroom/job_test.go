package cleanroom

import (
	"encoding/base64"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func jobOptions(t testing.TB) JobOptions {
	return JobOptions{GenerateOptions: testOptions(t), Name: "query", Namespace: "rooms", Shards: 4, Parallelism: 2}
}

func TestIndexedJob(t *testing.T) {
	opts := jobOptions(t)
	opts.Policy = []byte("package policy\n")
	b, err := IndexedJob(mergedDocument(t), opts)
	must(t, err)
	golden(t, "job.yaml", b)
	again, err := IndexedJob(mergedDocument(t), opts)
	must(t, err)
	if string(again) != string(b) {
		t.Error("the same inputs give another manifest")
	}
	// The variables are those of the template, and one more.
	var manifest jobManifest
	must(t, yaml.Unmarshal(b, &manifest))
	pod := manifest.Spec.Template
	template, err := ParseTemplate(testDeployment(t).Template)
	must(t, err)
	want := map[string]string{}
	for _, v := range template.Environment(pod.Spec.Containers[0].Name) {
		want[v.Name] = v.Value
	}
	got := map[string]string{}
	for _, v := range pod.Spec.Containers[0].Env {
		got[v.Name] = v.Value
	}
	if got["CLEANROOM_SHARDS"] != "4" || len(got) != len(want)+1 {
		t.Errorf("%d variables, want %d", len(got), len(want)+1)
	}
	for name, value := range want {
		if strings.ReplaceAll(got[name], "$$(", "$(") != value {
			t.Errorf("the variable %s differs", name)
		}
	}
	if policy, err := base64.StdEncoding.DecodeString(pod.Metadata.Annotations[policyAnnotation]); err != nil || string(policy) != "package policy\n" {
		t.Errorf("the policy %q, %v", policy, err)
	}
	plain := jobOptions(t)
	plain.Namespace, plain.Parallelism, plain.Retries = "", 0, -1
	b, err = IndexedJob(mergedDocument(t), plain)
	must(t, err)
	var other jobManifest
	must(t, yaml.Unmarshal(b, &other))
	if s := other.Spec; s.Parallelism != 4 || s.BackoffLimitPerIndex != 0 || other.Metadata.Namespace != "" || len(s.Template.Metadata.Annotations) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestIndexedJobRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Specification, *JobOptions)
		want   string
	}{
		"no name":                 {func(_ *Specification, o *JobOptions) { o.Name = "" }, "no DNS label"},
		"a long name":             {func(_ *Specification, o *JobOptions) { o.Name = strings.Repeat("a", 53) }, "no DNS label"},
		"a name of two lines":     {func(_ *Specification, o *JobOptions) { o.Name = "a\nb" }, "no DNS label"},
		"another name space":      {func(_ *Specification, o *JobOptions) { o.Namespace = "Rooms" }, "no DNS label"},
		"no shards":               {func(_ *Specification, o *JobOptions) { o.Shards = 0 }, "not between 1"},
		"many shards":             {func(_ *Specification, o *JobOptions) { o.Shards = 100_001 }, "not between 1"},
		"more at once":            {func(_ *Specification, o *JobOptions) { o.Parallelism = 5 }, "at once"},
		"fewer than none":         {func(_ *Specification, o *JobOptions) { o.Parallelism = -1 }, "at once"},
		"an unknown application":  {func(_ *Specification, o *JobOptions) { o.Application = "other" }, `none of which is "other"`},
		"an image without layers": {func(_ *Specification, o *JobOptions) { o.Images = nil }, "no layers"},
		"a number of its own": {func(s *Specification, _ *JobOptions) {
			a := &s.Applications[0]
			a.EnvironmentVariables = append(a.EnvironmentVariables, EnvVar{"CLEANROOM_SHARDS", "2"})
		}, "remove it"},
		"an index of its own": {func(s *Specification, _ *JobOptions) {
			a := &s.Applications[0]
			a.EnvironmentVariables = append(a.EnvironmentVariables, EnvVar{"JOB_COMPLETION_INDEX", "0"})
		}, "remove it"},
		"no application": {func(s *Specification, _ *JobOptions) { s.Applications = nil }, "no application"},
	} {
		s, opts := mergedDocument(t), jobOptions(t)
		test.change(s, &opts)
		if b, err := IndexedJob(s, opts); err == nil || !strings.Contains(err.Error(), test.want) || b != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := IndexedJob(nil, jobOptions(t)); err == nil {
		t.Error("a job of nothing")
	}
}
