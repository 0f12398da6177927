# Clean room policy: exactly the containers below, each with exactly these
# layers, command and variables. The SHA-256 of this text is the host data.
package policy

import future.keywords.every
import future.keywords.in

api_version := "0.10.0"
framework_version := "0.2.3"

fragments := [
  {
    "feed": "mcr.microsoft.com/aci/aci-cc-infra-fragment",
    "includes": [
      "containers",
      "fragments"
    ],
    "issuer": "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.3",
    "minimum_svn": "1"
  }
]

containers := [
  {
    "allow_elevated": false,
    "allow_stdio_access": false,
    "capabilities": {
      "ambient": [],
      "bounding": [],
      "effective": [],
      "inheritable": [],
      "permitted": []
    },
    "command": [
      "bash",
      "-c",
      "echo $CODE | base64 -d | tar xz; cd application; go get; go run main.go"
    ],
    "env_rules": [
      {
        "pattern": "CODE=c3RhbmRzIGZvciBhIGd6aXAgdGFyIG9mIHRoZSBhcHBsaWNhdGlvbiBkaXJlY3Rvcnk=",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "DB_CONFIG_CGS_SECRET_ID=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_dbconfig",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "OUTPUT_LOCATION=/mnt/remote/output",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "CLEANROOM_GOVERNANCE={\"application\":\"demo-app\",\"contractId\":\"collab1-db\",\"endpoints\":[\"https://collab.confidential-ledger.azure.com\"],\"serviceCertificate\":\"-----BEGIN CERTIFICATE-----\\nMIIByzCCAVCgAwIBAgIUJPm+byUmPwOH8UQ59RJ8+uJg/GYwCgYIKoZIzj0EAwMw\\nGzEZMBcGA1UEAwwQQ0NGIFRlc3QgU2VydmljZTAgFw0yNjExMjQxMTM3MjdaGA8y\\nMTI2MTAzMTExMzcyN1owGzEZMBcGA1UEAwwQQ0NGIFRlc3QgU2VydmljZTB2MBAG\\nByqGSM49AgEGBSuBBAAiA2IABGfqpJTsaxY/UKEEpRgxxf+1KaR1h1Z33LPEtvrS\\nZzeYRL7aHQlUNmA5YILcCGXLbYVySYQtmrokYbvKmbw2xXG511FPc3rlg+2MbWSx\\nKaaW41ZuyHRmD+SQYCqmS1aI+KNTMFEwHQYDVR0OBBYEFFUaOCtco1yjeDpMoWd4\\nwaw/7fruMB8GA1UdIwQYMBaAFFUaOCtco1yjeDpMoWd4waw/7fruMA8GA1UdEwEB\\n/wQFMAMBAf8wCgYIKoZIzj0EAwMDaQAwZgIxAKO5c5dLaB+rHGbY3ImoP1P7mRc/\\nO8Yu9MFBfaKESpQi3Hduz1eaqOnu6o3d/k1FOgIxAP68Fo9oLelqolkAojc2bfmr\\n8AJwKZLbtHz8WTH4AbTMztQnZkl8EzbPnkxFjajb+w==\\n-----END CERTIFICATE-----\\n\"}",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "CLEANROOM_SINK_APPLICATION_TELEMETRY={\"name\":\"application-telemetry\",\"containerUrl\":\"https://pubsa0001.blob.core.windows.net/application-telemetry-50fa3f9f-publisherconfig\",\"mode\":\"CPK\",\"clientId\":\"11111111-1111-4111-8111-111111111111\",\"tenantId\":\"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa\",\"dek\":{\"clientId\":\"11111111-1111-4111-8111-111111111111\",\"tenantId\":\"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa\",\"kid\":\"wrapped-application-telemetry-50fa3f9f-publisherconfig-dek-50fa3f9f-kek\",\"akvEndpoint\":\"https://pubkv0001.vault.azure.net\",\"kek\":{\"kid\":\"50fa3f9f-kek\",\"akvEndpoint\":\"https://pubkv0001.vault.azure.net\",\"maaEndpoint\":\"https://sharedneu.neu.attest.azure.net\"}}}",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "CLEANROOM_SINK_CONSUMER_OUTPUT={\"name\":\"consumer-output\",\"containerUrl\":\"https://consa0001.blob.core.windows.net/consumer-output\",\"mode\":\"CPK\",\"clientId\":\"22222222-2222-4222-8222-222222222222\",\"tenantId\":\"bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb\",\"dek\":{\"clientId\":\"22222222-2222-4222-8222-222222222222\",\"tenantId\":\"bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb\",\"kid\":\"wrapped-consumer-output-dek-200f0873-kek\",\"akvEndpoint\":\"https://conkv0001.vault.azure.net\",\"kek\":{\"kid\":\"200f0873-kek\",\"akvEndpoint\":\"https://conkv0001.vault.azure.net\",\"maaEndpoint\":\"https://sharedneu.neu.attest.azure.net\"}}}",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "PATH=/usr/local/go/bin:/usr/bin:/bin",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "GOTOOLCHAIN=local",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "TERM=xterm",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "^(?i:FABRIC_[^=\\n]+)=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^HOSTNAME=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^TEMP=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^TMP=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^FabricPackageFileName=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^HostedServiceName=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^IDENTITY_API_VERSION=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^IDENTITY_HEADER=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^IDENTITY_SERVER_THUMBPRINT=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "^azurecontainerinstance_restarted_by=[^\\n]+$",
        "required": false,
        "strategy": "re2"
      }
    ],
    "exec_processes": [],
    "id": "docker.io/golang@sha256:f43c6f049f04cbbaeb28f0aad3eea15274a7d0a7899a617d0037aec48d7ab010",
    "layers": [
      "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
      "2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b"
    ],
    "mounts": [
      {
        "destination": "/etc/resolv.conf",
        "options": [
          "rbind",
          "rshared",
          "rw"
        ],
        "source": "sandbox:///tmp/atlas/resolvconf/.+",
        "type": "bind"
      }
    ],
    "name": "demo-app",
    "no_new_privileges": true,
    "seccomp_profile_sha256": "",
    "signals": [],
    "user": {
      "group_idnames": [
        {
          "pattern": "",
          "strategy": "any"
        }
      ],
      "umask": "0022",
      "user_idname": {
        "pattern": "",
        "strategy": "any"
      }
    },
    "working_dir": "/go"
  },
  {
    "allow_elevated": false,
    "allow_stdio_access": true,
    "capabilities": {
      "ambient": [],
      "bounding": [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE"
      ],
      "effective": [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE"
      ],
      "inheritable": [],
      "permitted": [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE"
      ]
    },
    "command": [
      "/pause"
    ],
    "env_rules": [
      {
        "pattern": "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "required": true,
        "strategy": "string"
      },
      {
        "pattern": "TERM=xterm",
        "required": false,
        "strategy": "string"
      }
    ],
    "exec_processes": [],
    "layers": [
      "16b514057a06ad665f92c02863aca074fd5976c755d26bff16365299169e8415"
    ],
    "mounts": [],
    "no_new_privileges": false,
    "seccomp_profile_sha256": "",
    "signals": [],
    "user": {
      "group_idnames": [
        {
          "pattern": "",
          "strategy": "any"
        }
      ],
      "umask": "0022",
      "user_idname": {
        "pattern": "",
        "strategy": "any"
      }
    },
    "working_dir": "/"
  }
]

allow_properties_access := true
allow_dump_stacks := false
allow_runtime_logging := false
allow_environment_variable_dropping := true
allow_unencrypted_scratch := false
allow_capability_dropping := true

mount_device := data.framework.mount_device
unmount_device := data.framework.unmount_device
mount_overlay := data.framework.mount_overlay
unmount_overlay := data.framework.unmount_overlay
create_container := data.framework.create_container
exec_in_container := data.framework.exec_in_container
exec_external := data.framework.exec_external
shutdown_container := data.framework.shutdown_container
signal_container_process := data.framework.signal_container_process
plan9_mount := data.framework.plan9_mount
plan9_unmount := data.framework.plan9_unmount
get_properties := data.framework.get_properties
dump_stacks := data.framework.dump_stacks
runtime_logging := data.framework.runtime_logging
load_fragment := data.framework.load_fragment
scratch_mount := data.framework.scratch_mount
scratch_unmount := data.framework.scratch_unmount

reason := {"errors": data.framework.errors}
