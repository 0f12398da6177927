package arm

import (
	"fmt"
	"regexp"
	"strings"
)

// evaluator knows the expressions that the module's templates have.
type evaluator struct {
	group      *group
	deployment *deployment
}

var (
	parameterOf  = regexp.MustCompile(`^\[parameters\('([^']+)'\)\]$`)
	resourceIDOf = regexp.MustCompile(`^\[resourceId\('([^']+)', '([^']+)'\)\]$`)
	referenceOf  = regexp.MustCompile(`^\[reference\(resourceId\('([^']+)', '([^']+)'\), '(\d{4}-\d\d-\d\d)'\)\.([A-Za-z.]+)\]$`)
	roleOf       = regexp.MustCompile(`^\[subscriptionResourceId\('Microsoft\.Authorization/roleDefinitions', '([^']+)'\)\]$`)
)

// text is a text's value.
func (e *evaluator) text(s string) (string, error) {
	v, err := e.value(s)
	if err != nil {
		return "", err
	}
	text, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%q is no text", s)
	}
	return text, nil
}

// value evaluates texts, also those in lists and objects.
func (e *evaluator) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return e.expression(v)
	case map[string]any:
		return e.object(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = e.value(v[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return v, nil
}

func (e *evaluator) object(m map[string]any) (map[string]any, error) {
	plain := map[string]any{}
	for k, v := range m {
		var err error
		if plain[k], err = e.value(v); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

func (e *evaluator) expression(s string) (any, error) {
	if !strings.HasPrefix(s, "[") || !strings.HasSuffix(s, "]") {
		return s, nil
	}
	if strings.HasPrefix(s, "[[") {
		return s[1:], nil
	}
	switch s {
	case "[resourceGroup().location]":
		return e.group.location, nil
	case "[deployment().name]":
		return e.deployment.name, nil
	}
	if m := parameterOf.FindStringSubmatch(s); m != nil {
		value, ok := e.deployment.values[m[1]]
		if !ok {
			return nil, fmt.Errorf("the template parameter '%s' is not found", m[1])
		}
		return e.value(value)
	}
	if m := roleOf.FindStringSubmatch(s); m != nil {
		return "/subscriptions/" + e.group.subscription + "/providers/Microsoft.Authorization/roleDefinitions/" + m[1], nil
	}
	if kind, name, err := e.resourceID(s); err == nil {
		return groupKey(e.group.subscription, e.group.name) + "/providers/" + kind + "/" + name, nil
	}
	if m := referenceOf.FindStringSubmatch(s); m != nil {
		return e.reference(m[1], m[2], m[3], m[4])
	}
	return nil, fmt.Errorf("the language expression '%s' is not one that is evaluated here", s)
}

// resourceID reads the id of a resource of the group.
func (e *evaluator) resourceID(s string) (kind, name string, err error) {
	m := resourceIDOf.FindStringSubmatch(s)
	if m == nil {
		return "", "", fmt.Errorf("'%s' is not the id of a resource of the group", s)
	}
	return m[1], m[2], nil
}

func (e *evaluator) reference(kind, name, version, path string) (any, error) {
	k, known := kinds[strings.ToLower(kind)]
	if !known || !k.hasVersion(version) {
		return nil, fmt.Errorf("the resource type '%s' has no api-version '%s'", kind, version)
	}
	r := e.group.resources[strings.ToLower(kind+" "+name)]
	if r == nil {
		return nil, fmt.Errorf("the resource '%s' is not found", name)
	}
	var value any = r.Properties
	for _, member := range strings.Split(path, ".") {
		object, _ := value.(map[string]any)
		var ok bool
		if value, ok = object[member]; !ok {
			return nil, fmt.Errorf("the property '%s' of '%s' does not exist", member, name)
		}
	}
	return value, nil
}
