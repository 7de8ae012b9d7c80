"""Each environment as kustomize makes it: mesh/istio and the chart, with its own names and nobody else's.

The `helm` that kustomize runs here is helm.py, which answers as Helm 3. The real one is asked only what
`helm template` makes, and that is skipped without it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from delinkcious.__main__ import main
from tests.integration.deploy.kustomize import ENVIRONMENTS, KUSTOMIZE, ROOT, Json, named, objects, settings

pytestmark = pytest.mark.slow
KUBERNETES = "1.37"
SOURCES = [ROOT / "mesh" / "istio", ROOT / "mesh" / "splits"]
# Beside Istio's own kinds.
CHECKED = ("Deployment", "Namespace", "Service", "ServiceAccount")
# What the mesh has once, and no environment by itself.
MESH_WIDE = {("PeerAuthentication", "default"), ("Telemetry", "mesh-default")}


def written(folder: Path) -> list[Json]:
    return [
        each
        for file in sorted(folder.glob("*.yaml"))
        for each in yaml.safe_load_all(file.read_text())
        if each
    ]


@pytest.mark.parametrize("folder", SOURCES, ids=lambda folder: folder.name)
def test_the_sources_themselves_are_a_kustomization(folder: Path, tmp_path: Path) -> None:
    assert named(objects(folder, tmp_path)) == named(written(folder))


def test_the_mesh_wide_policy_is_what_environments_leave_out(tmp_path: Path) -> None:
    made = objects(KUSTOMIZE / "shared" / "mesh", tmp_path)
    assert {(each["kind"], each["metadata"]["name"]) for each in made} == MESH_WIDE
    sources = named(written(SOURCES[0]))
    assert all(sources[key] == each for key, each in named(made).items())


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_has_the_whole_policy_under_its_own_names(environment: str, tmp_path: Path) -> None:
    own = settings(environment)
    made = json.dumps(objects(KUSTOMIZE / "environments" / environment / "mesh", tmp_path))
    # Put back what is its own, and it is mesh/istio again, object by object and field by field.
    renamed = (
        (own["keys"], "http://users.delinkcious.svc.cluster.local:8081/.well-known/jwks.json"),
        (own["issuer"], "https://users.delinkcious.example"),
        (f'"{own["host"]}"', '"*"'),
        (f'"{own["certificate"]}"', '"delinkcious-tls"'),
        (f'"name": "{own["namespace"]}"', '"name": "ingress"'),
        (f'"{own["namespace"]}"', '"delinkcious"'),
        (f"/ns/{own['namespace']}/", "/ns/delinkcious/"),
    )
    for mine, everybodys in renamed:
        assert mine in made, mine
        made = made.replace(mine, everybodys)
    assert own["namespace"] not in made
    expected = [
        each for each in written(SOURCES[0]) if (each["kind"], each["metadata"]["name"]) not in MESH_WIDE
    ]
    assert named(json.loads(made)) == named(expected)


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [
        (KUSTOMIZE / "shared" / "gateway", ["gateway", "-n", "istio-system", "--include-crds"]),
        *(
            (KUSTOMIZE / "environments" / name / "application", ["delinkcious", "-n", f"delinkcious-{name}"])
            for name in ENVIRONMENTS
        ),
    ],
    ids=["gateway", *ENVIRONMENTS],
)
def test_helm_by_itself_makes_what_it_makes_below_kustomize(
    folder: Path, arguments: list[str], tmp_path: Path
) -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not on PATH")
    release, *options = arguments
    command = [helm, "template", release, str(ROOT / "helm" / "delinkcious"), *options, "--skip-tests"]
    done = subprocess.run([*command, "-f", str(folder / "values.yaml")], capture_output=True, check=True)
    made = named([each for each in yaml.safe_load_all(done.stdout) if each])
    below = named(objects(folder, tmp_path))
    assert made == {key: each for key, each in below.items() if key[0] not in ("Namespace", "Pod")}


def test_no_two_environments_share_a_name(tmp_path: Path) -> None:
    for key in ("namespace", "host", "certificate", "issuer", "keys"):
        assert len({settings(environment)[key] for environment in ENVIRONMENTS}) == len(ENVIRONMENTS)
    everything = [
        each
        for environment in ENVIRONMENTS
        for part in ("application", "mesh", "splits")
        for each in objects(KUSTOMIZE / "environments" / environment / part, tmp_path)
    ]
    for part in ("mesh", "gateway"):
        everything += objects(KUSTOMIZE / "shared" / part, tmp_path)
    assert len(named(everything)) > 300


def checked(resources: list[Json], file: Path) -> tuple[int, str]:
    """What the local mesh's check says; what only a cluster does with a pod is left out."""
    # The rollout controller stands outside of the mesh, on a volume that no laptop has.
    known = [
        each
        for each in resources
        if (each["kind"] in CHECKED or "istio.io" in each["apiVersion"])
        and each["metadata"]["name"] != "canary"
    ]
    for each in known:
        if each["kind"] == "Deployment":
            metadata = each["spec"]["template"]["metadata"]
            kept = ("inject.istio.io/templates",)
            metadata["annotations"] = {
                name: value for name, value in (metadata.get("annotations") or {}).items() if name in kept
            }
    file.write_text(yaml.safe_dump_all(known))
    done = CliRunner().invoke(main, ["mesh", "check", "-f", str(file)])
    return done.exit_code, done.output


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_mesh_takes_an_environment_as_a_whole(environment: str, tmp_path: Path) -> None:
    folder = KUSTOMIZE / "environments" / environment
    folders = [*(folder / part for part in ("application", "mesh", "splits"))]
    folders += [KUSTOMIZE / "shared" / "mesh", KUSTOMIZE / "shared" / "gateway"]
    everything = [each for folder in folders for each in objects(folder, tmp_path)]
    status, said = checked(everything, tmp_path / "all.yaml")
    assert status == 0, said
    # Where spans go stands in Istio's own installation.
    warnings = [line for line in said.splitlines() if "warning" in line]
    assert [line for line in warnings if 'no provider "jaeger"' not in line] == []
    # One name that is not this environment's, and it is seen.
    for each in everything:
        if each["kind"] == "AuthorizationPolicy" and each["metadata"]["name"] == "news-from-web":
            each["spec"]["rules"][0]["from"][0]["source"]["principals"] = [
                "cluster.local/ns/delinkcious/sa/web"
            ]
    _, said = checked(everything, tmp_path / "all.yaml")
    assert "news-from-web" in said


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_kubernetes_would_take_an_environment(environment: str, tmp_path: Path) -> None:
    own = settings(environment)
    made = objects(KUSTOMIZE / "environments" / environment / "application", tmp_path)
    for each in made:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
    (namespace,) = [each for each in made if each["kind"] == "Namespace"]
    assert namespace["metadata"]["name"] == own["namespace"]
    assert namespace["metadata"]["labels"]["istio-injection"] == "enabled"
    namespaces = {each["metadata"].get("namespace") for each in made if each["kind"] != "Namespace"}
    assert namespaces == {own["namespace"]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_services_expect_the_tokens_that_the_policy_lets_in(environment: str, tmp_path: Path) -> None:
    own = settings(environment)
    made = named(objects(KUSTOMIZE / "environments" / environment / "application", tmp_path))
    for service in ("users", "links", "web"):
        config = made["ConfigMap", own["namespace"], service]["data"]
        assert config["ISSUER"] == own["issuer"]
    web = str(made["Deployment", own["namespace"], "web-v1"]) + str(
        made["ConfigMap", own["namespace"], "web"]
    )
    assert f"news.{own['namespace']}.svc.cluster.local:50051" in web
    assert f"https://{own['host']}" in web


def test_argo_cd_gets_applications_with_paths_that_are_there(tmp_path: Path) -> None:
    made = named(objects(ROOT / "deploy" / "argocd", tmp_path))
    project = made["AppProject", "argocd", "delinkcious"]["spec"]
    applications = {name: each for (kind, _, name), each in made.items() if kind == "Application"}
    parts = ("application", "mesh", "splits")
    assert set(applications) == {
        *(f"{environment}-{part}" for environment in ENVIRONMENTS for part in parts),
        "shared-mesh",
        "shared-gateway",
    }
    root = yaml.safe_load((ROOT / "deploy" / "argocd" / "root.yaml").read_text())
    for name, application in {**applications, "root": root}.items():
        spec = application["spec"]
        source = spec["source"]
        assert source["repoURL"] == project["sourceRepos"][0], name
        assert (ROOT / source["path"]).is_dir(), name
        for file in source.get("helm", {}).get("valueFiles", []):
            assert (ROOT / source["path"] / file).is_file(), f"{name}: {file}"
        if name.startswith(ENVIRONMENTS):
            environment = name.partition("-")[0]
            assert spec["destination"]["namespace"] == settings(environment)["namespace"]
            assert environment in str(source)
            assert ("automated" in spec["syncPolicy"]) == (environment != "production")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_argo_cd_leaves_the_division_of_requests_alone(environment: str, tmp_path: Path) -> None:
    made = named(objects(ROOT / "deploy" / "argocd", tmp_path))
    spec = made["Application", "argocd", f"{environment}-splits"]["spec"]
    (ignored,) = spec["ignoreDifferences"]
    assert (ignored["group"], ignored["kind"]) == ("networking.istio.io", "VirtualService")
    assert ".spec.http[].route[].weight" in ignored["jqPathExpressions"]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
    assert not spec["syncPolicy"].get("automated", {}).get("prune")
    # And nobody else of the environment declares them.
    splits = named(objects(KUSTOMIZE / "environments" / environment / "splits", tmp_path))
    for part in ("application", "mesh"):
        assert not set(splits) & set(
            named(objects(KUSTOMIZE / "environments" / environment / part, tmp_path))
        )
