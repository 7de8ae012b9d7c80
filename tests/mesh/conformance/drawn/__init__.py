"""Random policies for the platform of the suite, as strategies of hypothesis.

What is drawn has one right answer: weights are all or nothing, faults befall every request or none, and
where several versions may answer, the one who compares does not tell them apart. Policies are valid by
construction; the simplest of each strategy comes first, which is what a disagreement shrinks towards.
"""
