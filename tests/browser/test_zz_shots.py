import json, pathlib
import pytest
from tests.browser.conftest import *
from tests.factories import *
from tests.jobs.schema_apps import *
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
C=pathlib.Path('/work/shared/corpus/schemas')
def test_try(visit):
    ada=make_person("cur",is_curator=True)
    for name,path in (("scrnaseq","nextflow/nf-core__scrnaseq.json"),("arrays","rjsf/arrays.json"),("big","nextflow/nf-core__metaboigniter.json")):
        t=(C/path).read_text()
        if 'rjsf' in path: t=json.dumps(json.loads(t)['schema'],indent=2)
        for width,dark in ((390,False),(820,True),(1440,False),(1440,True)) if name=="scrnaseq" else ((1440,False),(390,True)):
            page=visit(ada,"/curate/schema/",width=width,dark=dark)
            page.locator("#id_definition").fill(t)
            page.wait_for_selector("[data-schema-form]"); page.wait_for_timeout(600); page.wait_for_load_state("networkidle")
            print(name,width,overflow_px(page), serious_faults(page) if width==1440 else '')
            page.screenshot(path=f"/tmp/shots/{name}-{width}-{dark}.png",full_page=width!=1440)
            if width==1440: page.screenshot(path=f"/tmp/shots/{name}-{width}-{dark}-full.png",full_page=True)
            page.close()
