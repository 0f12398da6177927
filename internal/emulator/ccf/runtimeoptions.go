package ccf

import (
	"slices"
	"strings"
)

var (
	// cgsOptionTable holds the service-wide options.
	cgsOptionTable = table[string]("cgs_options")
	// contractOptionTable holds logging and telemetry by optionKey.
	contractOptionTable = table[string]("contract_options")
	// consentTable holds one member's word on execution by consentKey.
	consentTable = table[string]("execution_consent")
)

func optionKey(option, contractID string) string { return option + "/" + contractID }

// consentKey cannot collide: a member id has a fixed length.
func consentKey(contractID, memberID string) string { return memberID + "/" + contractID }

func cgsOption(x *tx, option string) string {
	if status, ok := cgsOptionTable.get(x, option); ok {
		return status
	}
	return "disabled"
}

func (c *call) showCGSOption() (any, error) {
	option := c.params[0]
	if !slices.Contains(cgsOptions(), option) {
		return nil, badRequest("InvalidOption", "The option value "+option+" is invalid. Valid values are '"+strings.Join(cgsOptions(), "', '")+"'.")
	}
	return obj("status", cgsOption(c.tx, option)), nil
}

// contractOptionStatus serves members, users and, without credential but with
// evidence, clean rooms. The report data is not looked at.
func (c *call) contractOptionStatus() (any, error) {
	contractID, option := c.params[0], c.params[1]
	if c.caller.kind == "" {
		body, err := c.json()
		if err != nil {
			return nil, err
		}
		if !truthy(field(body, "attestation")) {
			return nil, errAttestationMissing
		}
		if _, err := c.attested(body, contractID, contractMismatch); err != nil {
			return nil, err
		}
	}
	if option != "execution" && option != "logging" && option != "telemetry" {
		return nil, badRequest("InvalidOption", "The option value "+option+" is invalid. Valid values are 'execution', 'logging' and 'telemetry'.")
	}
	if _, accepted := contractTable.get(c.tx, contractID); !accepted {
		return disabled("ContractNotAccepted", notAccepted), nil
	}
	if option == "execution" {
		return executionStatus(c.tx, contractID), nil
	}
	status, ok := contractOptionTable.get(c.tx, optionKey(option, contractID))
	if !ok {
		status = "disabled"
	}
	open := openForContract(c.tx, "set_contract_runtime_options_enable_"+option, contractID)
	return obj("status", status, "proposalIds", open), nil
}

const notAccepted = "Contract does not exist or has not been accepted."

func disabled(code, message string) *object {
	return obj("status", "disabled", "reason", obj("code", code, "message", message))
}

// executionStatus is enabled unless at least one member said no.
func executionStatus(x *tx, contractID string) *object {
	var against []string
	for _, key := range consentTable.keys(x) {
		member, contract, _ := strings.Cut(key, "/")
		if status, _ := consentTable.get(x, key); contract == contractID && status == "disabled" {
			against = append(against, member)
		}
	}
	if len(against) == 0 {
		return obj("status", "enabled")
	}
	return disabled("ContractDisabled", "Contract has been disabled by the following member(s): m["+strings.Join(against, ",")+"].")
}

func (c *call) enableOption() (any, error)  { return c.setConsent("enabled") }
func (c *call) disableOption() (any, error) { return c.setConsent("disabled") }

// setConsent sets the caller's own word, which only the caller can take back.
func (c *call) setConsent(status string) (any, error) {
	contractID, option := c.params[0], c.params[1]
	if option != "execution" {
		return nil, badRequest("InvalidOption", "The option value "+option+" is invalid. Use proposals for options other than 'execution'.")
	}
	if _, accepted := contractTable.get(c.tx, contractID); !accepted {
		return nil, badRequest("ContractNotAccepted", notAccepted)
	}
	consentTable.put(c.tx, consentKey(contractID, c.caller.id), status)
	return nil, nil
}
