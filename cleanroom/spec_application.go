package cleanroom

import "strconv"

// Application is a container that sees data.
type Application struct {
	Name  string `yaml:"name,required"`
	Image Image  `yaml:"image,required"`
	// StartType is Auto or Manual; [G1] has none.
	StartType StartType `yaml:"startType,required,g2"`
	// Command replaces the image's own; empty keeps it.
	Command []string `yaml:"command,required"`
	// EnvironmentVariables keep their order: it is part of the policy that
	// is generated from the document.
	EnvironmentVariables Environment `yaml:"environmentVariables,required"`
	// Datasources and Datasinks are what the application uses, by the name
	// of the access point and the path under which it is seen. [G1] has them
	// in RuntimeSettings.Mounts.
	Datasources     Mounts          `yaml:"datasources,g2"`
	Datasinks       Mounts          `yaml:"datasinks,g2"`
	RuntimeSettings RuntimeSettings `yaml:"runtimeSettings,required"`
}

// EnvVar is one environment variable.
type EnvVar struct{ Name, Value string }

// Environment is an ordered map of variables.
type Environment []EnvVar

// Mount is an access point and the path at which an application sees it.
type Mount struct{ Name, Path string }

// Mounts is an ordered map of mounts.
type Mounts []Mount

// Lookup returns the value of the variable with this name.
func (e Environment) Lookup(name string) (string, bool) {
	for _, v := range e {
		if v.Name == name {
			return v.Value, true
		}
	}
	return "", false
}

// pairs and setPairs make an ordered map of the document.
func (e *Environment) pairs() [][2]string {
	var p [][2]string
	for _, v := range *e {
		p = append(p, [2]string{v.Name, v.Value})
	}
	return p
}

func (e *Environment) setPairs(p [][2]string) {
	*e = Environment{}
	for _, v := range p {
		*e = append(*e, EnvVar{v[0], v[1]})
	}
}

func (m *Mounts) pairs() [][2]string {
	var p [][2]string
	for _, v := range *m {
		p = append(p, [2]string{v.Name, v.Path})
	}
	return p
}

func (m *Mounts) setPairs(p [][2]string) {
	*m = Mounts{}
	for _, v := range p {
		*m = append(*m, Mount{v[0], v[1]})
	}
}

// Image is what an application runs.
type Image struct {
	// Executable is the image; BackingResource.ID is its reference.
	Executable        Document  `yaml:"executable,required"`
	Protection        *Document `yaml:"protection"`
	EnforcementPolicy Policy    `yaml:"enforcementPolicy,required"`
}

// Reference is the reference of the image.
func (i *Image) Reference() string { return i.Executable.BackingResource.ID }

// Document is an artefact of a registry.
type Document struct {
	DocumentType        string `yaml:"documentType,required"`
	AuthenticityReceipt string `yaml:"authenticityReceipt,required"`
	// Identity pulls from the registry; null for a public one.
	Identity        *Identity `yaml:"identity"`
	BackingResource Resource  `yaml:"backingResource,required"`
}

// Policy is a policy or null.
type Policy struct {
	Policy *PolicyBody `yaml:"policy"`
}

// PolicyBody is written inline or lies in a registry; exactly one is set.
type PolicyBody struct {
	Inline   *InlinePolicy
	External *Document
}

// InlinePolicy is a policy written into the document.
type InlinePolicy struct {
	PolicyDocument *string `yaml:"policyDocument"`
}

func (p *PolicyBody) wire() any {
	if p.External != nil {
		return p.External
	}
	if p.Inline != nil {
		return p.Inline
	}
	return &InlinePolicy{}
}

func (p *PolicyBody) choose(keys map[string]string) any {
	for _, k := range []string{"documentType", "authenticityReceipt", "backingResource"} {
		if _, ok := keys[k]; ok {
			return &Document{}
		}
	}
	return &InlinePolicy{}
}

func (p *PolicyBody) take(form any) {
	switch f := form.(type) {
	case *Document:
		*p = PolicyBody{External: f}
	case *InlinePolicy:
		*p = PolicyBody{Inline: f}
	}
}

// RuntimeSettings are ports and resources of an application.
type RuntimeSettings struct {
	// Mounts are the access points that an application of [G1] uses: the name
	// has the prefix "src=" and the path the prefix "dst=", as in the document.
	Mounts   Mounts    `yaml:"mounts,required,g1"`
	Ports    []int     `yaml:"ports,required"`
	Resource Resources `yaml:"resource,required"`
}

// Resources are what the platform must give.
type Resources struct {
	Requests ResourceRequests `yaml:"requests,required"`
}

// ResourceRequests are amounts: cores and gigabytes.
type ResourceRequests struct {
	CPU        float64 `yaml:"cpu,required"`
	MemoryInGB float64 `yaml:"memoryInGB,required"`
}

// formatAmount writes a number as the reference tools do: with a decimal
// point, always.
func formatAmount(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	for _, c := range s {
		if c == '.' {
			return s
		}
	}
	return s + ".0"
}
