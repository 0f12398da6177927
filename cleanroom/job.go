package cleanroom

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// JobOptions are the inputs of [IndexedJob].
type JobOptions struct {
	GenerateOptions
	// Name is the Job's, a DNS label of at most 52 characters: the pods' names
	// are made of it. Namespace is its name space; empty means the one that
	// kubectl is set to.
	Name, Namespace string
	// Application is the document's application to run; empty means its only
	// one.
	Application string
	// Shards is the number of pods that have to succeed, 1 to 100,000, and
	// Parallelism how many run at once; zero means all.
	Shards, Parallelism int
	// Retries is how often a failed shard is run again; zero means 3, less
	// than zero never.
	Retries int
	// Policy is the text of the pods' confidential policy. Empty leaves it out:
	// a tool that knows what the node adds to a pod (az confcom acipolicygen
	// --virtual-node-yaml) then makes it from the manifest. Without one a pod is
	// not confidential, and no key is released to it.
	Policy []byte
}

// What places a pod on confidential virtual nodes of Azure Container Instances
// (microsoft/virtualnodesOnAzureContainerInstances), and makes it confidential.
const (
	nodeLabel, nodeValue = "virtualization", "virtualnode2"
	nodeTaint            = "virtual-kubelet.io/provider"
	policyAnnotation     = "microsoft.containerinstance.virtualnode.ccepolicy"
)

// IndexedJob renders the Kubernetes manifest (batch/v1) that runs an application
// as so many shards, each in a room of its own on confidential virtual nodes:
// equal inputs give equal bytes. Kubernetes schedules, retries and counts;
// nothing of ours does. To each pod it gives its index in JOB_COMPLETION_INDEX,
// and the manifest the number in CLEANROOM_SHARDS: see [dbsecret.ShardOf]. A
// policy that pins the environment must let the former be any number.
//
// The environment is otherwise that of [Generate], with the same demands on the
// document. A shard that is run again writes its part again. The shards have no
// common snapshot of the database; [dbsecret.Shard] says how to get one.
func IndexedJob(s *Specification, opts JobOptions) ([]byte, error) {
	b, err := indexedJob(s, &opts)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: job of contract %q: %w", shorten(opts.ContractID, 80), err)
	}
	return b, nil
}

// The parts of the manifest, in the order in which they are written.
type (
	jobManifest struct {
		APIVersion string  `yaml:"apiVersion"`
		Kind       string  `yaml:"kind"`
		Metadata   jobMeta `yaml:"metadata"`
		Spec       jobSpec `yaml:"spec"`
	}
	jobMeta struct {
		Name        string            `yaml:"name,omitempty"`
		Namespace   string            `yaml:"namespace,omitempty"`
		Annotations map[string]string `yaml:"annotations,omitempty"`
	}
	jobSpec struct {
		CompletionMode       string      `yaml:"completionMode"`
		Completions          int         `yaml:"completions"`
		Parallelism          int         `yaml:"parallelism"`
		BackoffLimitPerIndex int         `yaml:"backoffLimitPerIndex"`
		Template             jobTemplate `yaml:"template"`
	}
	jobTemplate struct {
		Metadata jobMeta `yaml:"metadata"`
		Spec     podSpec `yaml:"spec"`
	}
	podSpec struct {
		RestartPolicy                string            `yaml:"restartPolicy"`
		AutomountServiceAccountToken bool              `yaml:"automountServiceAccountToken"`
		EnableServiceLinks           bool              `yaml:"enableServiceLinks"`
		NodeSelector                 map[string]string `yaml:"nodeSelector"`
		Tolerations                  []podToleration   `yaml:"tolerations"`
		Containers                   []podContainer    `yaml:"containers"`
	}
	podToleration struct {
		Key      string `yaml:"key"`
		Operator string `yaml:"operator"`
		Effect   string `yaml:"effect"`
	}
	podContainer struct {
		Name            string        `yaml:"name"`
		Image           string        `yaml:"image"`
		Command         []string      `yaml:"command"`
		Env             []podVariable `yaml:"env"`
		Resources       podResources  `yaml:"resources"`
		SecurityContext podSecurity   `yaml:"securityContext"`
	}
	podVariable struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	}
	podResources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits"`
	}
	podSecurity struct {
		Privileged               bool            `yaml:"privileged"`
		AllowPrivilegeEscalation bool            `yaml:"allowPrivilegeEscalation"`
		Capabilities             podCapabilities `yaml:"capabilities"`
	}
	podCapabilities struct {
		Drop []string `yaml:"drop"`
	}
)

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// Kubernetes' bounds of names: a pod's, with the index behind it, is a label
// too.
const maxLabel, maxJobName = 63, 52

func indexedJob(s *Specification, opts *JobOptions) ([]byte, error) {
	switch {
	case !dnsLabel.MatchString(opts.Name) || len(opts.Name) > maxJobName:
		return nil, fmt.Errorf("the name %q is no DNS label of up to %d lower-case letters, digits and hyphens", shorten(opts.Name, 80), maxJobName)
	case opts.Namespace != "" && (!dnsLabel.MatchString(opts.Namespace) || len(opts.Namespace) > maxLabel):
		return nil, fmt.Errorf("the name space %q is no DNS label", shorten(opts.Namespace, 80))
	case opts.Shards < 1 || opts.Shards > dbsecret.MaxShards:
		return nil, fmt.Errorf("%d shards are not between 1 and %d", opts.Shards, dbsecret.MaxShards)
	case opts.Parallelism < 0 || opts.Parallelism > opts.Shards:
		return nil, fmt.Errorf("%d pods at once are not between 1 and the %d shards", opts.Parallelism, opts.Shards)
	}
	// What Generate refuses of a document is refused here too.
	if _, err := generate(s, &opts.GenerateOptions); err != nil {
		return nil, err
	}
	app, err := jobApplication(s, opts.Application)
	if err != nil {
		return nil, err
	}
	if !dnsLabel.MatchString(app.Name) || len(app.Name) > maxLabel {
		return nil, fmt.Errorf("the application's name %q is no DNS label, as a container's must be", shorten(app.Name, 80))
	}
	env, command, _, err := containerOf(s, app, &opts.GenerateOptions)
	if err != nil {
		return nil, fmt.Errorf("application %q: %w", app.Name, err)
	}
	container := podContainer{Name: app.Name, Image: app.Image.Reference(), SecurityContext: podSecurity{Capabilities: podCapabilities{Drop: []string{"ALL"}}}}
	for _, word := range command {
		container.Command = append(container.Command, podText(word))
	}
	for _, v := range append(env, EnvVar{dbsecret.ShardCountVariable, strconv.Itoa(opts.Shards)}) {
		container.Env = append(container.Env, podVariable{v.Name, podText(v.Value)})
	}
	for _, name := range []string{dbsecret.ShardCountVariable, dbsecret.ShardIndexVariable} {
		if _, found := env.Lookup(name); found {
			return nil, fmt.Errorf("application %q sets the variable %s, which is the manifest's; remove it", app.Name, name)
		}
	}
	requests := app.RuntimeSettings.Resource.Requests
	amounts := map[string]string{"cpu": formatAmount(requests.CPU), "memory": formatAmount(requests.MemoryInGB) + "G"}
	container.Resources = podResources{amounts, amounts}
	manifest := jobManifest{
		APIVersion: "batch/v1", Kind: "Job",
		Metadata: jobMeta{Name: opts.Name, Namespace: opts.Namespace, Annotations: map[string]string{contractTag: opts.ContractID}},
		Spec: jobSpec{
			CompletionMode: "Indexed", Completions: opts.Shards, Parallelism: opts.Parallelism, BackoffLimitPerIndex: max(opts.Retries, 0),
			Template: jobTemplate{Spec: podSpec{
				RestartPolicy: "Never",
				NodeSelector:  map[string]string{nodeLabel: nodeValue},
				Tolerations:   []podToleration{{nodeTaint, "Exists", "NoSchedule"}},
				Containers:    []podContainer{container},
			}},
		},
	}
	if opts.Parallelism == 0 {
		manifest.Spec.Parallelism = opts.Shards
	}
	if opts.Retries == 0 {
		manifest.Spec.BackoffLimitPerIndex = 3
	}
	if len(opts.Policy) > 0 {
		manifest.Spec.Template.Metadata.Annotations = map[string]string{policyAnnotation: base64.StdEncoding.EncodeToString(opts.Policy)}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(manifest), enc.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func jobApplication(s *Specification, name string) (*Application, error) {
	if name == "" && len(s.Applications) == 1 {
		return &s.Applications[0], nil
	}
	for i := range s.Applications {
		if s.Applications[i].Name == name && name != "" {
			return &s.Applications[i], nil
		}
	}
	return nil, fmt.Errorf("the document has %d applications, none of which is %q", len(s.Applications), shorten(name, 80))
}

// podText keeps Kubernetes from expanding "$(NAME)" in commands and variables,
// which a doubled dollar sign does (core/v1, Container).
func podText(s string) string {
	return string(bytes.ReplaceAll([]byte(s), []byte("$("), []byte("$$(")))
}
