package arm

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// template is what is read of one. Members that are not here are refused.
type template struct {
	Schema         string               `json:"$schema"`
	ContentVersion string               `json:"contentVersion"`
	Parameters     map[string]parameter `json:"parameters"`
	Variables      map[string]any       `json:"variables"`
	Resources      []Resource           `json:"resources"`
	Outputs        map[string]output    `json:"outputs"`
}

type parameter struct {
	Type         string `json:"type"`
	DefaultValue any    `json:"defaultValue"`
	Metadata     any    `json:"metadata"`
}

type output struct {
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// Resource is one of a template, or one that was made.
type Resource struct {
	Type       string         `json:"type"`
	APIVersion string         `json:"apiVersion"`
	Name       string         `json:"name"`
	Scope      string         `json:"scope"`
	Location   string         `json:"location"`
	Kind       string         `json:"kind"`
	SKU        map[string]any `json:"sku"`
	Tags       map[string]any `json:"tags"`
	DependsOn  []string       `json:"dependsOn"`
	Properties map[string]any `json:"properties"`
}

type deployment struct {
	name      string
	template  template
	values    map[string]any // of parameters
	state     string
	failure   *Details
	outputs   map[string]output
	evaluator *evaluator
}

const (
	accepted, running, succeeded, failed = "Accepted", "Running", "Succeeded", "Failed"
)

func (d *deployment) active() bool { return d.state == accepted || d.state == running }

// newDeployment judges a request before anything is made.
func newDeployment(name string, body []byte, g *group) (*deployment, *Error) {
	var request struct {
		Properties struct {
			Mode       string                         `json:"mode"`
			Template   json.RawMessage                `json:"template"`
			Parameters map[string]struct{ Value any } `json:"parameters"`
		} `json:"properties"`
	}
	if err := strict(body, &request); err != nil {
		return nil, refuse(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid: "+err.Error())
	}
	if request.Properties.Mode != "Incremental" {
		return nil, refuse(http.StatusBadRequest, "InvalidRequestContent", "The mode '"+request.Properties.Mode+"' is not supported here.")
	}
	d := &deployment{name: name, values: map[string]any{}, state: accepted}
	if err := strict(request.Properties.Template, &d.template); err != nil {
		return nil, invalid("the template cannot be read: " + err.Error())
	}
	d.evaluator = &evaluator{g, d}
	for name, p := range d.template.Parameters {
		value, given := request.Properties.Parameters[name]
		switch {
		case given:
			d.values[name] = value.Value
		case p.DefaultValue == nil:
			return nil, invalid("the value for the template parameter '" + name + "' is not provided")
		default:
			d.values[name] = p.DefaultValue
		}
	}
	for name := range request.Properties.Parameters {
		if _, declared := d.template.Parameters[name]; !declared {
			return nil, invalid("the template parameter '" + name + "' is not found")
		}
	}
	return d, d.check()
}

func invalid(message string) *Error {
	return refuse(http.StatusBadRequest, "InvalidTemplate", "Deployment template validation failed: '"+message+"'.")
}

var schema = regexp.MustCompile(`^https://schema\.management\.azure\.com/schemas/\d{4}-\d\d-\d\d/deploymentTemplate\.json#$`)

func (d *deployment) check() *Error {
	t := &d.template
	switch {
	case !schema.MatchString(t.Schema):
		return invalid("the schema '" + t.Schema + "' is not known")
	case t.ContentVersion == "":
		return invalid("contentVersion is missing")
	}
	declared := map[string]bool{}
	for i := range t.Resources {
		r := &t.Resources[i]
		kind, known := kinds[strings.ToLower(r.Type)]
		if !known {
			return refuse(http.StatusBadRequest, "InvalidResourceType", "The resource type '"+r.Type+"' could not be found.")
		}
		if !kind.hasVersion(r.APIVersion) {
			return refuse(http.StatusBadRequest, "NoRegisteredProviderFound", "No registered resource provider found for the type '"+r.Type+"' and API version '"+r.APIVersion+"'.")
		}
		name, err := d.evaluator.text(r.Name)
		if err != nil {
			return invalid(err.Error())
		}
		if strings.Count(r.Type, "/")-1 != strings.Count(name, "/") {
			return invalid("the name '" + name + "' has not the segments of the type '" + r.Type + "'")
		}
		id := strings.ToLower(r.Type + " " + name)
		if declared[id] {
			return invalid("the resource '" + id + "' is defined multiple times")
		}
		declared[id] = true
	}
	for i := range t.Resources {
		if err := d.dependencies(&t.Resources[i], declared); err != nil {
			return err
		}
	}
	return nil
}

// dependencies: what a resource is part of, or is about, is made before it.
func (d *deployment) dependencies(r *Resource, declared map[string]bool) *Error {
	depends := map[string]bool{}
	for _, on := range r.DependsOn {
		kind, name, err := d.evaluator.resourceID(on)
		if err != nil {
			return invalid(err.Error())
		}
		id := strings.ToLower(kind + " " + name)
		if !declared[id] {
			return invalid("the resource '" + r.Name + "' depends on '" + id + "', which is not defined in the template")
		}
		depends[id] = true
	}
	kind, name, child := owner(r)
	if r.Scope != "" {
		var err error
		if kind, name, err = d.evaluator.resourceID(r.Scope); err != nil {
			return invalid(err.Error())
		}
		child = true
	}
	if id := strings.ToLower(kind + " " + name); child && declared[id] && !depends[id] {
		return invalid("the resource '" + r.Name + "' is made without waiting for '" + id + "': dependsOn is missing")
	}
	return nil
}

// owner is what a child resource is part of.
func owner(r *Resource) (kind, name string, child bool) {
	i, j := strings.LastIndexByte(r.Type, '/'), strings.LastIndexByte(r.Name, '/')
	if strings.Count(r.Type, "/") < 2 || j < 0 {
		return "", "", false
	}
	return r.Type[:i], r.Name[:j], true
}

// step brings an active deployment to its next state.
func (d *deployment) step(s *Server, g *group) {
	switch d.state {
	case accepted:
		d.state = running
	case running:
		d.state = succeeded
		if d.failure = d.execute(s, g); d.failure != nil {
			d.state = failed
			d.failure = &Details{Code: "DeploymentFailed", Message: "At least one resource deployment operation failed.", Details: []Details{*d.failure}}
		}
	}
}

// execute makes the resources in their order; one that depends on a later one
// is refused by its missing owner.
func (d *deployment) execute(s *Server, g *group) *Details {
	for i := range d.template.Resources {
		r := d.template.Resources[i]
		plain, err := d.evaluator.object(r.Properties)
		if err != nil {
			return &Details{Code: "InvalidTemplate", Message: err.Error()}
		}
		r.Properties = plain
		if r.Name, err = d.evaluator.text(r.Name); err != nil {
			return &Details{Code: "InvalidTemplate", Message: err.Error()}
		}
		if kind, name, child := owner(&r); child && g.resources[strings.ToLower(kind+" "+name)] == nil {
			return &Details{Code: "ParentResourceNotFound", Target: r.Name, Message: "The parent resource '" + name + "' could not be found."}
		}
		if r.Scope != "" {
			kind, name, err := d.evaluator.resourceID(r.Scope)
			if err != nil || g.resources[strings.ToLower(kind+" "+name)] == nil {
				return &Details{Code: "ResourceNotFound", Target: r.Name, Message: "The scope '" + r.Scope + "' could not be found."}
			}
		}
		if refusal := kinds[strings.ToLower(r.Type)].make(s, g, &r); refusal != nil {
			refusal.Target = r.Name
			return refusal
		}
		g.resources[strings.ToLower(r.Type+" "+r.Name)] = &r
	}
	d.outputs = map[string]output{}
	for name, o := range d.template.Outputs {
		value, err := d.evaluator.value(o.Value)
		if err != nil {
			return &Details{Code: "DeploymentOutputEvaluationFailed", Target: name, Message: err.Error()}
		}
		d.outputs[name] = output{o.Type, value}
	}
	return nil
}

func (d *deployment) answer() any {
	properties := map[string]any{"provisioningState": d.state, "mode": "Incremental"}
	if d.failure != nil {
		properties["error"] = d.failure
	}
	if d.outputs != nil {
		properties["outputs"] = d.outputs
	}
	return map[string]any{"name": d.name, "type": "Microsoft.Resources/deployments", "properties": properties}
}
