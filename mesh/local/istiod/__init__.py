"""The mesh under a real istiod instead of the embedded control plane.

etcd, an API server and istiod run as processes beside the mesh. What people write for Istio goes to that API
server unchanged; what runs is told by ServiceEntries; Envoy asks istiod itself (ADS), and the mesh for its
certificates (SDS).
"""

from mesh.local.runtime import settings

settings.without_grpc_forks()  # before anybody loads gRPC, which looks for it then
