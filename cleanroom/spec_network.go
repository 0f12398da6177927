package cleanroom

// SandboxSettings are a remnant of an earlier generation of the document.
type SandboxSettings struct {
	SandboxType   SandboxType `yaml:"sandboxType,required"`
	PrivacyPolicy *Policy     `yaml:"privacyPolicy"`
	Configuration string      `yaml:"configuration"`
}

// NetworkSettings open the room: what is absent is closed, where the sidecars'
// proxy enforces it; in the direct form of [Generate] nothing does. Presence counts,
// not the enabled flag: the reference tools never read it, so that a document
// with an object and enabled: false is refused by [Specification.Validate].
type NetworkSettings struct {
	HTTP *HTTPSettings `yaml:"http"`
	TCP  *TCPSettings  `yaml:"tcp"`
	DNS  *DNSSettings  `yaml:"dns"`
}

// HTTPSettings are the two directions of HTTP.
type HTTPSettings struct {
	Inbound  *HTTPDirection `yaml:"inbound"`
	Outbound *HTTPDirection `yaml:"outbound"`
}

// HTTPDirection is one of them and its policy.
type HTTPDirection struct {
	Enabled bool                 `yaml:"enabled,required"`
	Policy  PrivacyProxySettings `yaml:"policy,required"`
}

// TCPSettings have only an outbound direction.
type TCPSettings struct {
	Outbound *TCPOutbound `yaml:"outbound"`
}

// TCPOutbound lists what may be reached.
type TCPOutbound struct {
	Enabled    bool        `yaml:"enabled,required"`
	AllowedIPs []AllowedIP `yaml:"allowedIPs,required"`
}

// AllowedIP is an address, not a host name, and a port from 1 to 65535.
type AllowedIP struct {
	Address string `yaml:"address,required"`
	Port    int    `yaml:"port,required"`
}

// DNSSettings open name resolution.
type DNSSettings struct {
	Enabled bool `yaml:"enabled,required"`
	Port    int  `yaml:"port,required"`
}

// GovernanceSettings are consent, audit and telemetry.
type GovernanceSettings struct {
	Consent   []GovernanceService `yaml:"consent"`
	Audit     []GovernanceService `yaml:"audit"`
	Telemetry *Telemetry          `yaml:"telemetry"`
}

// GovernanceService is an endpoint that is asked or told.
type GovernanceService struct {
	URL            string    `yaml:"url,required"`
	Method         string    `yaml:"method,required"`
	ValidResponses []int     `yaml:"validResponses,required"`
	Identity       *Identity `yaml:"identity"`
}

// Telemetry is what the room collects, of the application and of itself.
type Telemetry struct {
	Infrastructure *InfrastructureTelemetrySinks `yaml:"infrastructure"`
	Application    *ApplicationTelemetrySinks    `yaml:"application"`
}

// InfrastructureTelemetrySinks are full copies of datasinks.
type InfrastructureTelemetrySinks struct {
	Consent *GovernanceService `yaml:"consent"`
	Metrics AccessPoint        `yaml:"metrics,required"`
	Traces  AccessPoint        `yaml:"traces,required"`
	Logs    AccessPoint        `yaml:"logs,required"`
}

// ApplicationTelemetrySinks is a full copy of a datasink.
type ApplicationTelemetrySinks struct {
	Consent *GovernanceService `yaml:"consent"`
	Logs    AccessPoint        `yaml:"logs,required"`
}

// Logging reports whether the application's log is collected, which is the
// sink application-telemetry.
func (s *Specification) logging() bool {
	return s.Governance != nil && s.Governance.Telemetry != nil && s.Governance.Telemetry.Application != nil
}
