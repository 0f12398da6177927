package cleanroom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// The parts of an ARM template (schema 2019-04-01) of a container group
// (Microsoft.ContainerInstance, 2023-05-01) that a room has, in the order in
// which they are written.
type (
	armTemplate struct {
		Schema         string        `json:"$schema"`
		ContentVersion string        `json:"contentVersion"`
		Parameters     armParameters `json:"parameters"`
		Resources      []armGroup    `json:"resources"`
	}
	armParameters struct {
		Location armParameter `json:"location"`
		Name     armParameter `json:"name"`
	}
	armParameter struct {
		Type         string            `json:"type"`
		DefaultValue string            `json:"defaultValue"`
		Metadata     map[string]string `json:"metadata"`
	}
	armGroup struct {
		Type       string             `json:"type"`
		APIVersion string             `json:"apiVersion"`
		Name       string             `json:"name"`
		Location   string             `json:"location"`
		Tags       map[string]string  `json:"tags"`
		Properties armGroupProperties `json:"properties"`
	}
	armGroupProperties struct {
		OSType         string          `json:"osType"`
		RestartPolicy  string          `json:"restartPolicy"`
		SKU            string          `json:"sku"`
		InitContainers []armContainer  `json:"initContainers"`
		Containers     []armContainer  `json:"containers"`
		Credentials    []any           `json:"imageRegistryCredentials"`
		Confidential   armConfidential `json:"confidentialComputeProperties"`
		Volumes        []any           `json:"volumes"`
	}
	armConfidential struct {
		CCEPolicy string `json:"ccePolicy"`
	}
	armContainer struct {
		Name       string                 `json:"name"`
		Properties armContainerProperties `json:"properties"`
	}
	armContainerProperties struct {
		Image       string        `json:"image"`
		Command     []string      `json:"command"`
		Environment []armVariable `json:"environmentVariables"`
		Resources   armResources  `json:"resources"`
		Security    armSecurity   `json:"securityContext"`
	}
	armVariable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	armResources struct {
		Requests armRequests `json:"requests"`
	}
	armRequests struct {
		CPU        json.Number `json:"cpu"`
		MemoryInGB json.Number `json:"memoryInGB"`
	}
	armSecurity struct {
		Privileged               bool            `json:"privileged"`
		AllowPrivilegeEscalation bool            `json:"allowPrivilegeEscalation"`
		Capabilities             armCapabilities `json:"capabilities"`
	}
	armCapabilities struct {
		Drop []string `json:"drop"`
	}
)

const (
	armSchema     = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
	armGroupType  = "Microsoft.ContainerInstance/containerGroups"
	armAPIVersion = "2023-05-01"
	armSKU        = "confidential"
	contractTag   = "accr-contract-id"
)

func newARMContainer(a *Application, env Environment, command []string) armContainer {
	p := armContainerProperties{
		Image:       a.Image.Reference(),
		Environment: []armVariable{},
		Resources: armResources{armRequests{
			CPU:        json.Number(formatAmount(a.RuntimeSettings.Resource.Requests.CPU)),
			MemoryInGB: json.Number(formatAmount(a.RuntimeSettings.Resource.Requests.MemoryInGB)),
		}},
		Security: armSecurity{Capabilities: armCapabilities{Drop: []string{"ALL"}}},
	}
	for _, word := range command {
		p.Command = append(p.Command, armLiteral(word))
	}
	for _, v := range env {
		p.Environment = append(p.Environment, armVariable{v.Name, armLiteral(v.Value)})
	}
	return armContainer{Name: a.Name, Properties: p}
}

func newARMTemplate(opts *GenerateOptions, containers []armContainer, policy string) *armTemplate {
	location := opts.Location
	if location == "" {
		location = "[resourceGroup().location]"
	}
	return &armTemplate{
		Schema:         armSchema,
		ContentVersion: "1.0.0.0",
		Parameters: armParameters{
			Location: armParameter{"string", location, map[string]string{"description": "The region of the room."}},
			Name:     armParameter{"string", "[deployment().name]", map[string]string{"description": "The name of the room's container group."}},
		},
		Resources: []armGroup{{
			Type: armGroupType, APIVersion: armAPIVersion,
			Name: "[parameters('name')]", Location: "[parameters('location')]",
			Tags: map[string]string{contractTag: opts.ContractID},
			Properties: armGroupProperties{
				OSType: "Linux", RestartPolicy: "Never", SKU: armSKU,
				InitContainers: []armContainer{}, Containers: containers, Credentials: []any{},
				Confidential: armConfidential{policy}, Volumes: []any{},
			},
		}},
	}
}

// encode writes the template with two blanks of indentation and no newline at
// the end.
func (t *armTemplate) encode() (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(t); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if b.Len() > maxJSON {
		return nil, fmt.Errorf("the template has %d bytes; the platform accepts %d", b.Len(), maxJSON)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// armLiteral keeps the platform from evaluating a text in brackets, which it
// takes for an expression.
func armLiteral(s string) string {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return "[" + s
	}
	return s
}

// armText reverses armLiteral. It is false for an expression: nobody who reads
// the template can know what that will be.
func armText(s string) (string, bool) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		if !strings.HasPrefix(s, "[[") {
			return "", false
		}
		return s[1:], true
	}
	return s, true
}
