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
    "command": [
      "code_launcher",
      "--application-name",
      "demo-app",
      "--application-base-64",
      "eyJuYW1lIjoiZGVtby1hcHAiLCJpbWFnZSI6eyJleGVjdXRhYmxlIjp7ImRvY3VtZW50VHlwZSI6Ik9DSSIsImF1dGhlbnRpY2l0eVJlY2VpcHQiOiIiLCJpZGVudGl0eSI6bnVsbCwiYmFja2luZ1Jlc291cmNlIjp7Im5hbWUiOiJkZW1vLWFwcCIsInR5cGUiOiJBenVyZUNvbnRhaW5lclJlZ2lzdHJ5IiwiaWQiOiJkb2NrZXIuaW8vZ29sYW5nQHNoYTI1NjpmNDNjNmYwNDlmMDRjYmJhZWIyOGYwYWFkM2VlYTE1Mjc0YTdkMGE3ODk5YTYxN2QwMDM3YWVjNDhkN2FiMDEwIiwicHJvdmlkZXIiOnsicHJvdG9jb2wiOiJBenVyZUNvbnRhaW5lclJlZ2lzdHJ5IiwidXJsIjoiZG9ja2VyLmlvIiwiY29uZmlndXJhdGlvbiI6IiJ9fX0sInByb3RlY3Rpb24iOm51bGwsImVuZm9yY2VtZW50UG9saWN5Ijp7InBvbGljeSI6eyJwb2xpY3lEb2N1bWVudCI6ImV5SjBjblZ6ZEZSNWNHVWlPaUFpYUhSMGNITWlmUT09In19fSwic3RhcnRUeXBlIjoiQXV0byIsImNvbW1hbmQiOlsiYmFzaCIsIi1jIiwiZWNobyAkQ09ERSB8IGJhc2U2NCAtZCB8IHRhciB4ejsgY2QgYXBwbGljYXRpb247IGdvIGdldDsgZ28gcnVuIG1haW4uZ28iXSwiZW52aXJvbm1lbnRWYXJpYWJsZXMiOnsiQ09ERSI6ImMzUmhibVJ6SUdadmNpQmhJR2Q2YVhBZ2RHRnlJRzltSUhSb1pTQmhjSEJzYVdOaGRHbHZiaUJrYVhKbFkzUnZjbms9IiwiREJfQ09ORklHX0NHU19TRUNSRVRfSUQiOiJhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhX2RiY29uZmlnIiwiT1VUUFVUX0xPQ0FUSU9OIjoiL21udC9yZW1vdGUvb3V0cHV0In0sImRhdGFzb3VyY2VzIjp7fSwiZGF0YXNpbmtzIjp7ImNvbnN1bWVyLW91dHB1dCI6Ii9tbnQvcmVtb3RlL291dHB1dCJ9LCJydW50aW1lU2V0dGluZ3MiOnsicG9ydHMiOltdLCJyZXNvdXJjZSI6eyJyZXF1ZXN0cyI6eyJjcHUiOjAuNSwibWVtb3J5SW5HQiI6NC4wfX19fQ=="
    ],
    "env_rules": [
      {
        "pattern": "APPLICATION_NAME=demo-app",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/code-launcher@sha256:e1f3a611cd784d76a1815870bc7a1b9217f023cbdcb89bb42fd0a17e9e74a216",
    "layers": [
      "04ab5d52f8eddf2c78c5cda0b968652ce2e0424edc9649ff77ec3ee4bc77bb62"
    ],
    "name": "demo-app-code-launcher"
  },
  {
    "command": [
      "identity"
    ],
    "env_rules": [
      {
        "pattern": "IdentitySideCarArgs=.*",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "OTEL_METRIC_EXPORT_INTERVAL=5000",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/identity@sha256:c43f1cb78a279402d734d597ea48bbb6108f65820da8ca7ea95e0e45a249817c",
    "layers": [
      "f94107f57e02aa503c7a89865d24825c0a017501273a2c6bcd4e798d1d11cc29"
    ],
    "name": "identity-sidecar"
  },
  {
    "command": [
      "bootstrap"
    ],
    "env_rules": [
      {
        "pattern": "CCR_FQDN=.*",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "ALLOW_HTTP_INBOUND_ACCESS=false",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "ALLOW_HTTP_OUTBOUND_ACCESS=false",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "ALLOW_TCP_OUTBOUND_ACCESS=true",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/ccr-proxy@sha256:d560a98f2b6494c679232d118938baba67b3d982e27240cafff6fc0ce8d731d5",
    "layers": [
      "1313f1bca91b9568266e3d1e4ee62ea9e5e8f609c45eaa6a99c3685f390ea4d7"
    ],
    "name": "ccr-proxy"
  },
  {
    "command": [
      "run"
    ],
    "env_rules": [
      {
        "pattern": "PORT=8281",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "BUNDLE_RESOURCE_PATH=registry.example.org/sidecars/policies/ccr-governance-opa-policy@sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "CCR_POLICY_ALLOW_ALL=false",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/ccr-proxy-ext-processor@sha256:83045502d0a010331ad7276d61d5d251d03cc6da0b1dfe18d625bc7729818729",
    "layers": [
      "ab3fb906756e2fec365f7b205874f007b78937b49966500d3d10c85407a70381"
    ],
    "name": "ccr-proxy-ext-processor-gov"
  },
  {
    "command": [
      "blobfuse_launcher",
      "--no-read-only",
      "--no-use-adls",
      "--mount-path",
      "/mnt/remote/consumer-output",
      "--encryption-mode",
      "CPK"
    ],
    "env_rules": [
      {
        "pattern": "AZURE_STORAGE_ACCOUNT=consa0001",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AZURE_STORAGE_ACCOUNT_CONTAINER=consumer-output",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AZURE_STORAGE_BLOB_ENDPOINT=https://consa0001.blob.core.windows.net/",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "MAA_ENDPOINT=sharedneu.neu.attest.azure.net",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AKV_ENDPOINT=conkv0001.vault.azure.net",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "KID=200f0873-kek",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "CLIENT_ID=.*",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "TENANT_ID=.*",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "WRAPPED_DEK_SECRET=wrapped-consumer-output-dek-200f0873-kek",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "WRAPPED_DEK_AKV_ENDPOINT=https://conkv0001.vault.azure.net/",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "PRICE=5$",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/blobfuse-launcher@sha256:5be5ea750a83b7974ac723c815cc1ff19edacd0d5efcfa265116fd3715c12d25",
    "layers": [
      "43effe411d21ea9f9f4ba914fc41edbe5bdc81c87c2c8e6ae126c1964b3f8b8f"
    ],
    "name": "consumer-output-blobfuse-container"
  },
  {
    "command": [
      "blobfuse_launcher",
      "--no-read-only",
      "--no-use-adls",
      "--mount-path",
      "/mnt/remote/application-telemetry",
      "--encryption-mode",
      "CPK"
    ],
    "env_rules": [
      {
        "pattern": "AZURE_STORAGE_ACCOUNT=pubsa0001",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AZURE_STORAGE_ACCOUNT_CONTAINER=application-telemetry-50fa3f9f-publisherconfig",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AZURE_STORAGE_BLOB_ENDPOINT=https://pubsa0001.blob.core.windows.net/",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "MAA_ENDPOINT=sharedneu.neu.attest.azure.net",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AKV_ENDPOINT=pubkv0001.vault.azure.net",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "KID=50fa3f9f-kek",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "CLIENT_ID=.*",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "TENANT_ID=.*",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "WRAPPED_DEK_SECRET=wrapped-application-telemetry-50fa3f9f-publisherconfig-dek-50fa3f9f-kek",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "WRAPPED_DEK_AKV_ENDPOINT=https://pubkv0001.vault.azure.net/",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "PRICE=5$",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/blobfuse-launcher@sha256:5be5ea750a83b7974ac723c815cc1ff19edacd0d5efcfa265116fd3715c12d25",
    "layers": [
      "43effe411d21ea9f9f4ba914fc41edbe5bdc81c87c2c8e6ae126c1964b3f8b8f"
    ],
    "name": "application-telemetry-blobfuse-container"
  },
  {
    "command": [
      "blobfuse_launcher",
      "--no-read-only",
      "--no-use-adls",
      "--mount-path",
      "/mnt/remote/infrastructure-telemetry",
      "--encryption-mode",
      "CPK"
    ],
    "env_rules": [
      {
        "pattern": "AZURE_STORAGE_ACCOUNT=pubsa0001",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AZURE_STORAGE_ACCOUNT_CONTAINER=infrastructure-telemetry-50fa3f9f-publisherconfig",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AZURE_STORAGE_BLOB_ENDPOINT=https://pubsa0001.blob.core.windows.net/",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "MAA_ENDPOINT=sharedneu.neu.attest.azure.net",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "AKV_ENDPOINT=pubkv0001.vault.azure.net",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "KID=50fa3f9f-kek",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "CLIENT_ID=.*",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "TENANT_ID=.*",
        "required": false,
        "strategy": "re2"
      },
      {
        "pattern": "WRAPPED_DEK_SECRET=wrapped-infrastructure-telemetry-50fa3f9f-publisherconfig-dek-50fa3f9f-kek",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "WRAPPED_DEK_AKV_ENDPOINT=https://pubkv0001.vault.azure.net/",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "PRICE=5$",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/blobfuse-launcher@sha256:5be5ea750a83b7974ac723c815cc1ff19edacd0d5efcfa265116fd3715c12d25",
    "layers": [
      "43effe411d21ea9f9f4ba914fc41edbe5bdc81c87c2c8e6ae126c1964b3f8b8f"
    ],
    "name": "infrastructure-telemetry-blobfuse-container"
  },
  {
    "command": [],
    "env_rules": [
      {
        "pattern": "TELEMETRY_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "RESOURCE_ATTRIBUTES=",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/otel-collector@sha256:ffd3ef6d4b2d74e45a9f624e86ac0f0434c7c3f8cbad03eb9817f4797886fdf4",
    "layers": [
      "face679aa48beb6eb1b7bb148695ed3bd5f27e032f08ce054a0aab6011bc6ac1"
    ],
    "name": "otel-collector"
  },
  {
    "command": [],
    "env_rules": [
      {
        "pattern": "ccrgovEndpoint=https://collab.confidential-ledger.azure.com",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "ccrgovApiPathPrefix=app/contracts/collab1-db",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "serviceCert=LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJ5ekNDQVZDZ0F3SUJBZ0lVSlBtK2J5VW1Qd09IOFVRNTlSSjgrdUpnL0dZd0NnWUlLb1pJemowRUF3TXcKR3pFWk1CY0dBMVVFQXd3UVEwTkdJRlJsYzNRZ1UyVnlkbWxqWlRBZ0Z3MHlOakV4TWpReE1UTTNNamRhR0E4eQpNVEkyTVRBek1URXhNemN5TjFvd0d6RVpNQmNHQTFVRUF3d1FRME5HSUZSbGMzUWdVMlZ5ZG1salpUQjJNQkFHCkJ5cUdTTTQ5QWdFR0JTdUJCQUFpQTJJQUJHZnFwSlRzYXhZL1VLRUVwUmd4eGYrMUthUjFoMVozM0xQRXR2clMKWnplWVJMN2FIUWxVTm1BNVlJTGNDR1hMYllWeVNZUXRtcm9rWWJ2S21idzJ4WEc1MTFGUGMzcmxnKzJNYldTeApLYWFXNDFadXlIUm1EK1NRWUNxbVMxYUkrS05UTUZFd0hRWURWUjBPQkJZRUZGVWFPQ3RjbzF5amVEcE1vV2Q0Cndhdy83ZnJ1TUI4R0ExVWRJd1FZTUJhQUZGVWFPQ3RjbzF5amVEcE1vV2Q0d2F3LzdmcnVNQThHQTFVZEV3RUIKL3dRRk1BTUJBZjh3Q2dZSUtvWkl6ajBFQXdNRGFRQXdaZ0l4QUtPNWM1ZExhQitySEdiWTNJbW9QMVA3bVJjLwpPOFl1OU1GQmZhS0VTcFFpM0hkdXoxZWFxT251Nm8zZC9rMUZPZ0l4QVA2OEZvOW9MZWxxb2xrQW9qYzJiZm1yCjhBSndLWkxidEh6OFdUSDRBYlRNenRRblprbDhFemJQbmt4RmphamIrdz09Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/ccr-governance@sha256:2aface0f2e4c7ac02026b4d3bfc71ad831b6ab34de54df31a3127d46555a11a9",
    "layers": [
      "9628ffde51f6c2402c8a0b4f474787a47809ab7d1d4f5e66cb770af68029beb3"
    ],
    "name": "ccr-governance"
  },
  {
    "command": [
      "skr"
    ],
    "env_rules": [
      {
        "pattern": "Port=8284",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/skr@sha256:7229e3d0e7e00acb60f110787c1266aadfdb58c2d6043f330681beb6198132e6",
    "layers": [
      "a77702d87aaae2dcf48a61bb169fcafde020cc93ca6838b4db5652584d63f8a1"
    ],
    "name": "skr"
  },
  {
    "command": [],
    "env_rules": [
      {
        "pattern": "IDENTITY_PORT=8290",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "SKR_PORT=8284",
        "required": false,
        "strategy": "string"
      },
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/ccr-secrets@sha256:aa4f03690f2e4b8692ddb7ca702bdf52e007a096ea2153fbf8536957a8a8017f",
    "layers": [
      "8a5efd473420f0942b7e654375ec89a57ca6dc4da52b11eb980e8f076e6de757"
    ],
    "name": "ccr-secrets"
  },
  {
    "command": [
      "setup",
      "--clear-mount-paths",
      "/mnt/volumestatus",
      "--allowed-ips",
      "[{\"address\": \"203.0.113.10\", \"port\": 5432}]"
    ],
    "env_rules": [
      {
        "pattern": "TELEMETRY_MOUNT_PATH=/mnt/telemetry",
        "required": false,
        "strategy": "string"
      }
    ],
    "id": "registry.example.org/sidecars/ccr-init@sha256:046ef118936f2bd90e1a68105235086bbe0238b4668d09a784bc0ad0937bc1bd",
    "layers": [
      "632fa99e9f6ad3a49bf12c7f1a1169e3bf6d0dcc11b5fef5728df0975f0f55c3"
    ],
    "name": "ccr-init"
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
