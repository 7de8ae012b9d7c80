"""The messages of `mesh check` by id: Istio's own where `istioctl analyze` has one for it, else ours (DM)."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.local.model import Finding


@dataclass(frozen=True)
class Message:
    """What a finding with this id is about, in one sentence; Istio describes its own on a page each."""

    id: str
    name: str
    about: str

    @property
    def page(self) -> str:
        """The address of Istio's page; empty for our own."""
        known = self.id.startswith("IST")
        base = "https://istio.io/latest/docs/reference/config/analysis"
        return f"{base}/{self.id.lower()}/" if known else ""


MESSAGES = {
    message.id: message
    for message in (
        Message("IST0002", "Deprecated", "A field has a successor and will go."),
        Message("IST0101", "ReferencedResourceNotFound", "What is referred to does not exist."),
        Message("IST0106", "SchemaValidationError", "A field is wrong by itself."),
        Message("IST0109", "ConflictingMeshGatewayVirtualServiceHosts", "Sidecars obey one rule per host."),
        Message("IST0111", "MultipleSidecarsWithoutWorkloadSelectors", "One speaks for a namespace."),
        Message("IST0112", "VirtualServiceDestinationPortSelectorRequired", "Which port is meant is open."),
        Message("IST0113", "MTLSPolicyConflict", "Client and server disagree about mutual TLS."),
        Message("IST0116", "DeploymentAssociatedToMultipleServices", "Services disagree about a protocol."),
        Message("IST0118", "PortNameIsNotUnderNamingConvention", "A port's name tells no protocol."),
        Message("IST0119", "JwtFailureDueToInvalidServicePortPrefix", "Tokens are read on HTTP ports only."),
        Message("IST0127", "NoMatchingWorkloadsFound", "A selector selects nothing."),
        Message("IST0130", "VirtualServiceUnreachableRule", "An earlier rule takes every such request."),
        Message("IST0131", "VirtualServiceIneffectiveMatch", "An earlier match takes every such request."),
        Message("IST0132", "VirtualServiceHostNotFoundInGateway", "The Gateway has no such host."),
        Message("IST0133", "SchemaWarning", "A field is doubtful by itself."),
        Message("IST0145", "ConflictingGateways", "Two servers want one port."),
        Message("IST0149", "JwtClaimBasedRoutingWithoutRequestAuthN", "Nobody reads the claims of tokens."),
        Message("IST0160", "MultipleTelemetriesWithoutWorkloadSelectors", "One speaks for a namespace."),
        Message("IST0162", "GatewayPortNotDefinedOnService", "No Service leads to the gateway's port."),
        Message("IST0173", "DestinationRuleSubsetNotSelectPods", "No pod has the labels of a subset."),
        Message("IST0174", "UnknownDestinationRuleHost", "No service has the host of a DestinationRule."),
        Message("DM0001", "NotOnTheLaptop", "Istio does this, the local mesh does not."),
        Message("DM0002", "KindNotRun", "The kind means nothing on one machine."),
        Message("DM0003", "DeclaredTwice", "An object is declared twice."),
        Message("DM0004", "CannotBeRun", "A workload cannot be run as it is written."),
        Message("DM0005", "Unreadable", "A file cannot be read."),
        Message("DM0101", "UnknownDestinationPort", "The Service has no such port."),
        Message("DM0102", "NoDelegate", "A VirtualService with hosts is no delegate."),
        Message("DM0103", "ServiceWithoutPods", "A Service selects no workload."),
        Message("DM0104", "ClosedPort", "No container listens where a Service leads."),
        Message("DM0105", "UnknownServiceAccount", "A workload names an account that does not exist."),
        Message("DM0106", "UnknownCaller", "A policy names a caller that nobody is."),
        Message("DM0107", "UnknownMethod", "No request has this method."),
        Message("DM0108", "UnfitProvider", "A provider is missing or of another kind."),
        Message("DM0109", "UnreachableProvider", "No Service of the provider exists."),
        Message("DM0110", "IgnoredSelector", "The root namespace's objects have no selector."),
        Message("DM0111", "ConflictingDestinationRules", "Two DestinationRules say different things."),
        Message("DM0112", "HttpOnTcpPort", "HTTP rules do not act on a TCP port."),
        Message("DM0113", "JwksUnreachable", "The keys of an issuer cannot be fetched."),
        Message("DM0114", "HostOfAnother", "An earlier object has the host of a ServiceEntry."),
        Message("DM0115", "HeadlessTargetPort", "On Kubernetes a headless Service has no other target port."),
        Message("DM0116", "IdleConnectionRule", "No connection meets a rule for TCP or TLS."),
        Message("DM0117", "InjectedAllTheSame", "A workload has a sidecar that Istio would not give it."),
        Message("DM0118", "InsideOfPod", "An address leads past a sidecar."),
    )
}

# What is told and is nobody's mistake: it never fails a check, however strict.
NOTES = frozenset({"DM0002"})


def counts(finding: Finding, least: str) -> bool:
    """Whether the finding is at least an `error`, or at least a `warning`."""
    return finding.level == "error" or (least == "warning" and id_of(finding) not in NOTES)


def id_of(finding: Finding) -> str:
    """The id of the finding's message, whoever found it."""
    if finding.id:
        return finding.id
    if finding.kind == "File":
        return "DM0005"
    return "IST0106" if finding.level == "error" else "IST0133"
